-- Waiting jobs whose time has come become ready. Locks go from the searches to the jobs, in the order of their numbers. $1 batch.
WITH due AS MATERIALIZED (
    SELECT id, search_id FROM job WHERE state = 'waiting' AND run_after <= now() ORDER BY run_after LIMIT $1
), owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id IN (SELECT search_id FROM due) ORDER BY id FOR SHARE SKIP LOCKED
), mine AS MATERIALIZED (
    SELECT job.id, owner.state AS search_state FROM due JOIN job ON job.id = due.id JOIN owner ON owner.id = job.search_id
    WHERE job.state = 'waiting'
    ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
)
UPDATE job SET state = CASE WHEN mine.search_state = 'paused' THEN 'paused' ELSE 'ready' END::job_state, run_after = NULL
FROM mine WHERE job.id = mine.id
RETURNING job.id
