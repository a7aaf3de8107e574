-- Whether one of some jobs may still be trained although it is to be cancelled. $1 ids.
SELECT 1 FROM job
WHERE id = ANY ($1) AND (state IN ('ready', 'waiting', 'paused') OR state = 'running' AND EXISTS (
    SELECT FROM lease WHERE lease.job_id = job.id AND NOT lease.cancel))
LIMIT 1
