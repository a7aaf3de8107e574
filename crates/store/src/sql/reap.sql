-- Takes jobs away from workers whose leases have expired, a small batch at a time. The fence grows, so that whatever
-- the old worker still writes is refused; the fifth crash fails the job (reap_result.sql follows), but a thawed one is
-- terminated as before. $1 batch, $2 crash limit.
WITH expired AS MATERIALIZED (
    SELECT job_id, fence, worker_id, thaw FROM lease
    WHERE expires_at < now()
    ORDER BY job_id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM lease USING expired WHERE lease.job_id = expired.job_id AND lease.fence = expired.fence
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'lost', error = 'the lease expired: the worker was killed, hung, or cut off'
    FROM expired WHERE attempt.job_id = expired.job_id AND attempt.fence = expired.fence
), owner AS MATERIALIZED (
    SELECT id, state FROM search
    WHERE id IN (SELECT search_id FROM job JOIN expired ON job.id = expired.job_id)
    FOR SHARE
), moved AS (
    UPDATE job
    SET state = CASE WHEN expired.thaw THEN 'terminated' WHEN crashes + 1 >= $2 THEN 'failed'
                     WHEN owner.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state,
        fence = job.fence + 1, crashes = crashes + 1
    FROM expired, owner
    WHERE job.id = expired.job_id AND job.fence = expired.fence AND owner.id = job.search_id
    RETURNING job.id, job.search_id, job.crashes, job.state, expired.worker_id
), told AS (
    INSERT INTO event (search_id, job_id, worker_id, kind, detail)
    SELECT search_id, id, worker_id, CASE WHEN state = 'failed' THEN 'failed' ELSE 'lost' END,
           'lease expired; crash ' || crashes || ' of ' || $2
    FROM moved
)
SELECT id AS job_id, worker_id, crashes, state FROM moved
