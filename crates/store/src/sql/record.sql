-- One observation, with what the predictor made of it and the checkpoint behind it, under the fence.
-- The lock is the job's row, which the observation's foreign key locks anyway: whoever takes the job away writes that row
-- in the transaction that deletes the lease. The lease is only read; its worker is compared, since after a fail-over that lost
-- commits two workers may have been given the same fence. No row back: fenced out, nothing is written. Behind: the observation
-- before this one is not there, as after such a fail-over, and nothing is written either.
-- Writing the same observation again changes nothing.
-- $1 job, $2 fence, $3 worker, $4.. the observation, $19.. the checkpoint (key null: none).
WITH fenced AS MATERIALIZED (
    SELECT job.id, job.fence, lease.cancel,
           $4 > 1 AND NOT EXISTS (SELECT FROM observation WHERE job_id = $1 AND step = $4 - 1) AS behind
    FROM job JOIN lease ON lease.job_id = job.id
    WHERE job.id = $1 AND job.fence = $2 AND job.state = 'running' AND lease.fence = $2 AND lease.worker_id = $3
    FOR NO KEY UPDATE OF job
), observed AS (
    INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds,
                             prediction, low_80, high_80, low_90, high_90, calibration, decision, reason)
    SELECT id, fence, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18 FROM fenced WHERE NOT behind
    ON CONFLICT (job_id, step) DO NOTHING
), pointed AS (
    INSERT INTO checkpoint (job_id, step, fence, key, uri, bytes, sha256)
    SELECT id, $4, fence, $19, $20, $21, $22 FROM fenced WHERE NOT behind AND $19 IS NOT NULL
    ON CONFLICT (job_id, step) DO UPDATE
    SET fence = excluded.fence, key = excluded.key, uri = excluded.uri, bytes = excluded.bytes, sha256 = excluded.sha256,
        created_at = now()
)
SELECT cancel, behind FROM fenced
