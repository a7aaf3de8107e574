-- Claims one frozen job, if it is still frozen and nobody else is about to claim it. $1 job, $2 worker, $3 lease in seconds,
-- $4 chance, $5 ordinal that the chance was given under.
-- A job taken up again counts against the limit of its search. Other idle workers are told: there may be more to take up. The search is
-- locked for share so that it cannot be paused or finished between the look and the write.
WITH owner AS MATERIALIZED (
    SELECT id FROM search
    WHERE id = (SELECT search_id FROM job WHERE job.id = $1 AND job.state = 'frozen')
      AND state = 'running' AND (max_running IS NULL OR has_room(id))
    FOR SHARE
), chosen AS MATERIALIZED (
    SELECT job.id FROM job JOIN owner ON owner.id = job.search_id
    WHERE job.id = $1 AND job.state = 'frozen'
    FOR UPDATE OF job SKIP LOCKED
), claimed AS (
    UPDATE job SET state = 'running', fence = fence + 1, attempts = least(attempts, 32766) + 1
    FROM chosen WHERE job.id = chosen.id
    RETURNING job.*
), leased AS (
    INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at, thaw)
    SELECT id, fence, $2, make_interval(secs => $3), now() + make_interval(secs => $3), true FROM claimed
), begun AS (
    INSERT INTO attempt (job_id, fence, worker_id, chance, calibration) SELECT id, fence, $2, $4, $5 FROM claimed
), told AS MATERIALIZED (
    SELECT pg_notify('peng_ready', class || ' thaw') FROM claimed
)
SELECT claimed.id AS job_id, claimed.fence, $2 AS worker_id, claimed.search_id, claimed.architecture_id, claimed.seed, claimed.mode,
       claimed.priority, claimed.crashes, architecture.flops, architecture.genome,
       (SELECT max(step) FROM freezing WHERE freezing.job_id = claimed.id) AS frozen_at
FROM claimed
JOIN architecture ON architecture.id = claimed.architecture_id
CROSS JOIN told
