-- The best of a search by fitness; those of them that were terminated go on to the full budget, and so does the search.
-- $1 search, $2 how many of the best. A tie goes to the older job.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id = $1 AND deleting_since IS NULL FOR NO KEY UPDATE
), best AS MATERIALIZED (
    SELECT job_id, fitness, epochs FROM result WHERE search_id = $1 AND fitness IS NOT NULL
    ORDER BY fitness DESC, job_id LIMIT $2
), mine AS MATERIALIZED (
    SELECT id FROM job WHERE id IN (SELECT job_id FROM best) AND state = 'terminated'
      AND EXISTS (SELECT FROM owner) ORDER BY id FOR UPDATE
), moved AS (
    UPDATE job
    SET mode = 'promoted', crashes = 0, losses = 0, crash_step = NULL, crash_hosts = NULL,
        state = CASE WHEN owner.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state
    FROM mine, owner WHERE job.id = mine.id
    RETURNING job.id
), revived AS (
    UPDATE search SET state = 'running', finished_at = NULL
    WHERE id = $1 AND state IN ('finished', 'cancelled') AND EXISTS (SELECT FROM moved)
), told AS (
    INSERT INTO event (search_id, job_id, kind, detail)
    SELECT $1, moved.id, 'promoted', 'terminated after epoch ' || best.epochs FROM moved JOIN best ON best.job_id = moved.id
)
SELECT best.job_id, moved.id IS NOT NULL AS promoted, best.fitness, job.state, best.epochs,
       architecture.summary AS architecture
FROM best
JOIN job ON job.id = best.job_id
JOIN architecture ON architecture.id = job.architecture_id
LEFT JOIN moved ON moved.id = best.job_id
ORDER BY best.fitness DESC, best.job_id
