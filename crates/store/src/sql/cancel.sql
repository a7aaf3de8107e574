-- Cancels jobs that do not run, in the order of their numbers. $1 ids.
WITH mine AS MATERIALIZED (
    SELECT id FROM job WHERE id = ANY ($1) AND state IN ('ready', 'waiting', 'paused') ORDER BY id FOR UPDATE
), moved AS (
    UPDATE job SET state = 'cancelled', run_after = NULL FROM mine WHERE job.id = mine.id
    RETURNING job.id, job.search_id, job.fence
), told AS (
    INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'cancelled' FROM moved
)
SELECT id AS job_id, write_result(id, search_id, fence, 'cancelled', NULL) AS fitness FROM moved
