-- Gives a job back under its fence: no crash is counted; a thawed one is terminated as before. $1 job, $2 fence.
-- The search is locked for share so that it cannot be paused between the look and the write.
WITH held AS (
    DELETE FROM lease WHERE job_id = $1 AND fence = $2 RETURNING job_id, thaw
), owner AS MATERIALIZED (
    SELECT search.id, search.state FROM search JOIN job ON job.search_id = search.id
    WHERE job.id = $1 FOR SHARE OF search
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'released' WHERE job_id = (SELECT job_id FROM held) AND fence = $2
)
UPDATE job
SET state = CASE WHEN held.thaw THEN 'terminated' WHEN owner.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state
FROM owner, held WHERE job.id = held.job_id AND job.fence = $2
RETURNING job.id
