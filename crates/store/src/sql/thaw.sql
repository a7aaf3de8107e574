-- Claims the first of some frozen jobs of a search that is still frozen and that nobody else is about to claim. Many idle workers look
-- at the same time, and each finds another one. $1 jobs, the one to be preferred first, $2 worker, $3 lease in seconds,
-- $4 their chances, $5 ordinal that these were given under.
-- A job taken up again counts against the limit of its search. Other idle workers are told: there may be more to take up. The search is
-- locked for share so that it cannot be paused or finished between the look and the write.
WITH owner AS MATERIALIZED (
    SELECT id FROM search
    WHERE id = (SELECT search_id FROM job WHERE job.id = ANY ($1::bigint[]) AND job.state = 'frozen' LIMIT 1)
      AND state = 'running' AND (max_running IS NULL OR has_room(id))
    FOR SHARE
), chosen AS MATERIALIZED (
    SELECT job.id, candidate.chance
    FROM unnest($1::bigint[], $4::double precision[]) WITH ORDINALITY AS candidate (job_id, chance, place)
    JOIN job ON job.id = candidate.job_id JOIN owner ON owner.id = job.search_id
    WHERE job.state = 'frozen'
    ORDER BY candidate.place LIMIT 1
    FOR UPDATE OF job SKIP LOCKED
), claimed AS (
    UPDATE job SET state = 'running', fence = fence + 1, attempts = least(attempts, 32766) + 1
    FROM chosen WHERE job.id = chosen.id
    RETURNING job.*, chosen.chance
), leased AS (
    INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at, thaw)
    SELECT id, fence, $2, make_interval(secs => $3), now() + make_interval(secs => $3), true FROM claimed
), begun AS (
    INSERT INTO attempt (job_id, fence, worker_id, chance, calibration) SELECT id, fence, $2, chance, $5 FROM claimed
), told AS MATERIALIZED (
    SELECT pg_notify('peng_ready', class || ' thaw') FROM claimed
)
SELECT claimed.id AS job_id, claimed.fence, $2 AS worker_id, claimed.search_id, claimed.architecture_id, claimed.seed, claimed.mode,
       claimed.priority, claimed.crashes, architecture.flops, architecture.genome,
       (SELECT max(step) FROM freezing WHERE freezing.job_id = claimed.id) AS frozen_at
FROM claimed
JOIN architecture ON architecture.id = claimed.architecture_id
CROSS JOIN told
