-- Waiting jobs whose time has come become ready. $1 batch.
WITH due AS MATERIALIZED (
    SELECT id, search_id FROM job WHERE state = 'waiting' AND run_after <= now()
    ORDER BY run_after LIMIT $1 FOR UPDATE SKIP LOCKED
), owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id IN (SELECT search_id FROM due) FOR SHARE
)
UPDATE job SET state = CASE WHEN owner.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state, run_after = NULL
FROM due, owner WHERE job.id = due.id AND owner.id = job.search_id
RETURNING job.id
