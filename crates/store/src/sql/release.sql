-- Gives a job back under its fence, and counts nothing against it: the worker leaves, or its host cannot train it, or the
-- checkpoint store is away. One that had been set aside is frozen as before; one that a person has cancelled meanwhile is cancelled.
-- One that a worker of the version before took up for an interval has a result, and is terminated as before. Locks go from the search to the job and its lease: the search cannot be paused or cancelled between
-- the look and the write, and the deletion sees the newest version of the lease.
-- $1 job, $2 fence, $3 worker, $4 error or null, $5 last lines of the log or null, $6 seconds to wait or null.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id = (SELECT search_id FROM job WHERE id = $1) FOR SHARE
), mine AS MATERIALIZED (
    SELECT job.id, owner.state AS search_state FROM job JOIN owner ON owner.id = job.search_id
    WHERE job.id = $1 AND job.fence = $2 AND job.state = 'running'
    FOR UPDATE OF job
), held AS (
    DELETE FROM lease USING mine WHERE lease.job_id = mine.id AND lease.fence = $2 AND lease.worker_id = $3
    RETURNING CASE WHEN lease.thaw AND EXISTS (SELECT FROM result WHERE result.job_id = $1) THEN 'terminated'
                   WHEN lease.cancel OR mine.search_state = 'cancelled' THEN 'cancelled'
                   WHEN lease.thaw THEN 'frozen'
                   WHEN $6 IS NOT NULL THEN 'waiting'
                   WHEN mine.search_state = 'paused' THEN 'paused'
                   ELSE 'ready' END::job_state AS next
), moved AS (
    UPDATE job
    SET state = held.next, run_after = CASE WHEN held.next = 'waiting' THEN now() + make_interval(secs => $6) END
    FROM held WHERE job.id = $1
    RETURNING job.id, job.search_id, job.state
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'released', error = $4, log = $5
    WHERE job_id = (SELECT id FROM moved) AND fence = $2
)
SELECT state, CASE state WHEN 'cancelled' THEN write_result(id, search_id, $2, 'cancelled', NULL)
                         WHEN 'frozen' THEN note_freeze(id, search_id) END AS fitness
FROM moved
