-- One observation, with what the predictor made of it and the checkpoint behind it, under the fence.
-- The lease row is the lock: whoever takes the job away deletes it first. No row back: fenced out, nothing is written.
-- Writing the same observation again changes nothing.
-- $1 job, $2 fence, $3 lease in seconds, $4.. the observation, $19.. the checkpoint (uri null: none).
WITH renewed AS (
    UPDATE lease SET expires_at = now() + make_interval(secs => $3)
    WHERE job_id = $1 AND fence = $2
    RETURNING job_id, fence, cancel
), observed AS (
    INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds,
                             prediction, low_80, high_80, low_90, high_90, calibration, decision, reason)
    SELECT job_id, fence, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18 FROM renewed
    ON CONFLICT (job_id, step) DO NOTHING
), pointed AS (
    INSERT INTO checkpoint (job_id, step, fence, uri, bytes, sha256)
    SELECT job_id, $4, fence, $19, $20, $21 FROM renewed WHERE $19 IS NOT NULL
    ON CONFLICT (job_id, step) DO UPDATE
    SET fence = excluded.fence, uri = excluded.uri, bytes = excluded.bytes, sha256 = excluded.sha256, created_at = now()
)
SELECT cancel FROM renewed
