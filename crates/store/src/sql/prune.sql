-- Removes the pointers to a job's checkpoints before a step, under the fence. The newest of what goes is kept as discarded if
-- the job has had none for an hour; the objects of the others are to be deleted now. $1 job, $2 fence, $3 worker, $4 step.
-- The job is locked as in record.sql, so that it cannot be lost between the look and the write.
WITH fenced AS MATERIALIZED (
    SELECT job.id FROM job JOIN lease ON lease.job_id = job.id
    WHERE job.id = $1 AND job.fence = $2 AND job.state = 'running' AND lease.fence = $2 AND lease.worker_id = $3
    FOR NO KEY UPDATE OF job
), gone AS (
    DELETE FROM checkpoint WHERE job_id = (SELECT id FROM fenced) AND step < $4
      -- After a fail-over that lost the newest pointer the older ones are all that there is.
      AND EXISTS (SELECT FROM checkpoint AS kept WHERE kept.job_id = $1 AND kept.step >= $4)
    RETURNING step, fence, key, uri, bytes, sha256
), kept AS (
    INSERT INTO discarded_checkpoint (job_id, step, fence, key, uri, bytes, sha256)
    SELECT $1, step, fence, key, uri, bytes, sha256 FROM gone
    WHERE NOT EXISTS (
        SELECT FROM discarded_checkpoint AS before
        WHERE before.job_id = $1 AND before.discarded_at > now() - interval '1 hour'
    )
    ORDER BY step DESC LIMIT 1
    RETURNING step
)
SELECT step, key, uri, bytes, sha256, step IN (SELECT step FROM kept) AS kept FROM gone
