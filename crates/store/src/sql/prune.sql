-- Removes the pointers to a job's checkpoints before a step, under the fence. $1 job, $2 fence, $3 step.
-- The lease is locked, so that it cannot be lost between the look and the write.
WITH held AS MATERIALIZED (
    SELECT job_id FROM lease WHERE job_id = $1 AND fence = $2 FOR UPDATE
)
DELETE FROM checkpoint WHERE job_id = (SELECT job_id FROM held) AND step < $3
RETURNING uri
