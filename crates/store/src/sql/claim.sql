-- The first ready job of a search behind a place in its queue, which is ordered by priority and then age. It starts behind the
-- dead index entries of all that was claimed before that place.
-- $1 class, $2 worker, $3 lease in seconds, $4 negated priority and $5 id of the place, $6 search.
-- coalesce: the condition of the index, so that no other one is taken and nothing is sorted.
-- has_room: only where the search has a limit is anything counted or locked, so others never wait for each other.
-- MATERIALIZED: the row is chosen and locked once; SKIP LOCKED: claimers never wait for each other.
WITH chosen AS MATERIALIZED (
    SELECT id FROM job
    WHERE coalesce(state = 'ready', false) AND class = $1
      AND search_id = (SELECT id FROM search WHERE id = $6 AND (max_running IS NULL OR has_room(id)))
      AND (-priority::integer, id) > ($4, $5)
    ORDER BY class, search_id, -priority::integer, id
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
