-- Another priority for jobs that have not ended. $1 ids, $2 priority.
WITH moved AS (
    UPDATE job SET priority = $2
    WHERE id = ANY ($1) AND state IN ('ready', 'running', 'waiting', 'paused')
    RETURNING id, search_id
)
INSERT INTO event (search_id, job_id, kind, detail) SELECT search_id, id, 'priority', $2::text FROM moved
