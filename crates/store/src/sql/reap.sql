-- Takes jobs away from workers whose leases have expired, a small batch at a time. The fence grows, so that whatever the old
-- worker still writes is refused. Too many losses without progress fail the job; one that had been set aside is frozen as
-- before, one that a person has cancelled is cancelled. Locks go from the search to the job and its lease, in
-- the order of their numbers; a job that somebody else has locked comes with the next round. $1 batch.
WITH expired AS MATERIALIZED (
    SELECT job_id, fence FROM lease WHERE expires_at < now() ORDER BY job_id LIMIT $1
), owner AS MATERIALIZED (
    SELECT id, state FROM search
    WHERE id IN (SELECT search_id FROM job JOIN expired ON job.id = expired.job_id)
    ORDER BY id FOR SHARE SKIP LOCKED
), mine AS MATERIALIZED (
    SELECT job.id, job.fence, owner.state AS search_state
    FROM expired JOIN job ON job.id = expired.job_id AND job.fence = expired.fence
    JOIN owner ON owner.id = job.search_id
    WHERE job.state = 'running'
    ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
), held AS MATERIALIZED (
    SELECT mine.*, lease.worker_id, lease.thaw, lease.cancel
    FROM mine JOIN lease ON lease.job_id = mine.id AND lease.fence = mine.fence
    WHERE lease.expires_at < now()
    ORDER BY mine.id FOR UPDATE OF lease SKIP LOCKED
), gone AS (
    DELETE FROM lease USING held WHERE lease.job_id = held.id AND lease.fence = held.fence
), evidence AS MATERIALIZED (
    SELECT held.*, lost.crashes, lost.losses, lost.step, lost.hosts,
           CASE WHEN held.thaw AND EXISTS (SELECT FROM result WHERE result.job_id = held.id) THEN 'terminated'
                WHEN held.cancel OR held.search_state = 'cancelled' THEN 'cancelled'
                WHEN lost.is_final THEN 'failed' WHEN held.thaw THEN 'frozen' WHEN held.search_state = 'paused' THEN 'paused'
                ELSE 'ready' END::job_state AS next
    FROM held JOIN worker ON worker.id = held.worker_id
    CROSS JOIN LATERAL crash_evidence(held.id, worker.host, true) AS lost
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'lost', error = 'the lease expired: the worker was killed, hung, or cut off'
    FROM held WHERE attempt.job_id = held.id AND attempt.fence = held.fence
), moved AS (
    UPDATE job
    SET state = evidence.next, fence = job.fence + 1, crashes = evidence.crashes, losses = evidence.losses,
        crash_step = evidence.step, crash_hosts = evidence.hosts
    FROM evidence WHERE job.id = evidence.id
    RETURNING job.id, job.search_id, job.fence, job.crashes, job.losses, job.state, evidence.worker_id
), told AS (
    INSERT INTO event (search_id, job_id, worker_id, kind, detail)
    SELECT search_id, id, worker_id, CASE WHEN state IN ('failed', 'cancelled') THEN state::text ELSE 'lost' END,
           'lease expired; loss ' || losses || ' without progress'
    FROM moved
)
SELECT id AS job_id, worker_id, crashes, losses, state,
       CASE state
           WHEN 'cancelled' THEN write_result(id, search_id, fence, 'cancelled', NULL)
           WHEN 'frozen' THEN note_freeze(id, search_id)
           WHEN 'failed' THEN write_result(id, search_id, fence, 'failed', format(
               'lost with %s workers and crashed %s times without progress; last error: %s', losses, crashes, coalesce(
                   (SELECT error FROM attempt WHERE job_id = moved.id AND error IS NOT NULL AND "end" = 'retried'
                    ORDER BY fence DESC LIMIT 1),
                   'the lease expired: the worker was killed, hung, or cut off'))) END AS fitness
FROM moved
