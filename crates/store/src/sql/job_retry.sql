-- Failed, diverged and cancelled jobs become ready again; their search goes on. $1 ids.
-- The searches are locked so that they cannot be paused or finished between the look and the write; not for share, since two
-- retries that revive one search would deadlock then. Locks go from them to the jobs, in the order of their numbers.
-- Imported curves that were cut off are cancelled jobs, too, which nobody can train.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM search
    WHERE id IN (SELECT search_id FROM job WHERE job.id = ANY ($1)) AND NOT jsonb_exists(spec, 'import')
      AND deleting_since IS NULL
    ORDER BY id FOR NO KEY UPDATE
), mine AS MATERIALIZED (
    SELECT job.id, owner.state AS search_state FROM job JOIN owner ON owner.id = job.search_id
    WHERE job.id = ANY ($1) AND job.state IN ('failed', 'diverged', 'cancelled')
    ORDER BY job.id FOR UPDATE OF job
), moved AS (
    UPDATE job
    SET state = CASE WHEN mine.search_state = 'paused' THEN 'paused' ELSE 'ready' END::job_state,
        crashes = 0, losses = 0, crash_step = NULL, crash_hosts = NULL
    FROM mine WHERE job.id = mine.id
    RETURNING job.id, job.search_id
), revived AS (
    UPDATE search SET state = 'running', finished_at = NULL
    WHERE id IN (SELECT search_id FROM moved) AND state IN ('finished', 'cancelled')
), gone AS (
    DELETE FROM result WHERE job_id IN (SELECT id FROM moved)
)
INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'retried' FROM moved
