-- Failed, diverged and cancelled jobs become ready again; their search goes on. $1 ids.
WITH moved AS (
    UPDATE job SET state = CASE WHEN search.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state, crashes = 0
    FROM search
    WHERE job.id = ANY ($1) AND job.state IN ('failed', 'diverged', 'cancelled') AND search.id = job.search_id
    RETURNING job.id, job.search_id
), revived AS (
    UPDATE search SET state = 'running', finished_at = NULL
    WHERE id IN (SELECT search_id FROM moved) AND state IN ('finished', 'cancelled')
), gone AS (
    DELETE FROM result WHERE job_id IN (SELECT id FROM moved)
)
INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'retried' FROM moved
