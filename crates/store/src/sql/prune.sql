-- Removes the pointers to a job's checkpoints before a step, under the fence. $1 job, $2 fence, $3 step.
-- The job is locked as in record.sql, so that it cannot be lost between the look and the write.
WITH fenced AS MATERIALIZED (
    SELECT id FROM job WHERE id = $1 AND fence = $2 AND state = 'running' FOR NO KEY UPDATE
)
DELETE FROM checkpoint WHERE job_id = (SELECT id FROM fenced) AND step < $3
RETURNING uri
