-- One observation, with what the predictor made of it and the checkpoint behind it, under the fence.
-- The lock is the job's row, which the observation's foreign key locks anyway: whoever takes the job away writes that row
-- in the transaction that deletes the lease. The lease is only read. No row back: fenced out, nothing is written.
-- Writing the same observation again changes nothing.
-- $1 job, $2 fence, $3.. the observation, $18.. the checkpoint (uri null: none).
WITH fenced AS MATERIALIZED (
    SELECT id, fence FROM job WHERE id = $1 AND fence = $2 AND state = 'running' FOR NO KEY UPDATE
), observed AS (
    INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds,
                             prediction, low_80, high_80, low_90, high_90, calibration, decision, reason)
    SELECT id, fence, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17 FROM fenced
    ON CONFLICT (job_id, step) DO NOTHING
), pointed AS (
    INSERT INTO checkpoint (job_id, step, fence, uri, bytes, sha256)
    SELECT id, $3, fence, $18, $19, $20 FROM fenced WHERE $18 IS NOT NULL
    ON CONFLICT (job_id, step) DO UPDATE
    SET fence = excluded.fence, uri = excluded.uri, bytes = excluded.bytes, sha256 = excluded.sha256, created_at = now()
)
SELECT cancel FROM lease WHERE job_id = (SELECT id FROM fenced) AND fence = $2
