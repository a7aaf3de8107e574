-- Claims one terminated job for one more interval, if it is still as it was judged: whoever resumed it since has raised its
-- fence. $1 job, $2 its fence, $3 worker, $4 lease in seconds, $5 chance, $6 ordinal that the chance was given under.
-- A resumed job counts against the limit of its search. Other idle workers are told: there may be more to resume. The search is locked for share so that it cannot be paused or finished between the look and the write.
WITH owner AS MATERIALIZED (
    SELECT id FROM search
    WHERE id = (SELECT search_id FROM job WHERE job.id = $1 AND fence = $2 AND job.state = 'terminated')
      AND state = 'running' AND (max_running IS NULL OR has_room(id))
    FOR SHARE
), chosen AS MATERIALIZED (
    SELECT job.id FROM job JOIN owner ON owner.id = job.search_id
    WHERE job.id = $1 AND job.fence = $2 AND job.state = 'terminated'
    FOR UPDATE OF job SKIP LOCKED
), claimed AS (
    UPDATE job SET state = 'running', fence = fence + 1, attempts = least(attempts, 32766) + 1
    FROM chosen WHERE job.id = chosen.id
    RETURNING job.*
), leased AS (
    INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at, thaw)
    SELECT id, fence, $3, make_interval(secs => $4), now() + make_interval(secs => $4), true FROM claimed
), begun AS (
    INSERT INTO attempt (job_id, fence, worker_id, chance, calibration) SELECT id, fence, $3, $5, $6 FROM claimed
), told AS MATERIALIZED (
    SELECT pg_notify('peng_ready', class || ' thaw') FROM claimed
)
SELECT claimed.id AS job_id, claimed.fence, $3 AS worker_id, claimed.search_id, claimed.architecture_id, claimed.seed, claimed.mode,
       claimed.priority, claimed.crashes, architecture.flops, architecture.genome, result.step + 1 AS thaw_until
FROM claimed
JOIN architecture ON architecture.id = claimed.architecture_id
JOIN result ON result.job_id = claimed.id
CROSS JOIN told
