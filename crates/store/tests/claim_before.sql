-- What workers of the version before claim with, whose processes go on after this schema has come.
-- The first ready job of a class behind a place in the queue, which is ordered by priority and then age. It starts
-- behind the dead index entries of all that was claimed before that place.
-- $1 class, $2 worker, $3 lease in seconds, $4 negated priority and $5 id of the place, $6 searches whose jobs are left out.
-- coalesce: of a bare comparison the planner expects to leave hardly a row, reads them all and sorts.
-- MATERIALIZED: the row is chosen and locked once; SKIP LOCKED: claimers never wait for each other.
WITH chosen AS MATERIALIZED (
    SELECT id FROM job
    WHERE state = 'ready' AND class = $1 AND (-priority::integer, id) > ($4, $5)
      AND coalesce(search_id <> ALL ($6), true)
    ORDER BY class, -priority::integer, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE job SET state = 'running', fence = fence + 1, attempts = least(attempts, 32766) + 1
    FROM chosen WHERE job.id = chosen.id
    RETURNING job.*
), leased AS (
    INSERT INTO lease (job_id, fence, worker_id, ttl, expires_at)
    SELECT id, fence, $2, make_interval(secs => $3), now() + make_interval(secs => $3) FROM claimed
), begun AS (
    INSERT INTO attempt (job_id, fence, worker_id) SELECT id, fence, $2 FROM claimed
)
SELECT claimed.id AS job_id, claimed.fence, $2 AS worker_id, claimed.search_id, claimed.architecture_id, claimed.seed, claimed.mode,
       claimed.priority, claimed.crashes, architecture.flops, architecture.genome, NULL::integer AS frozen_at
FROM claimed JOIN architecture ON architecture.id = claimed.architecture_id
