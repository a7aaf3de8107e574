-- Another priority for jobs that have not ended. $1 ids, $2 priority.
WITH mine AS MATERIALIZED (
    SELECT id FROM job WHERE id = ANY ($1) AND state IN ('ready', 'running', 'waiting', 'paused')
    ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE job SET priority = $2 FROM mine WHERE job.id = mine.id
    RETURNING job.id, job.search_id
)
INSERT INTO event (search_id, job_id, kind, detail) SELECT search_id, id, 'priority', $2::text FROM moved
