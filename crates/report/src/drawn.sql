-- The jobs whose curves are drawn: one in $2, by a hash of their numbers, which is the same each time and takes no part of
-- the search more than another; and the best.
-- $1 search_id, $2 one in how many, $3 how many of the best
WITH trained AS NOT MATERIALIZED (
    SELECT job_id, outcome::text AS outcome, mode::text AS mode, fitness, stop_epoch, stop_fitness
    FROM job_outcome
    WHERE search_id = $1 AND outcome IN ('terminated', 'completed', 'diverged')
    /* and filter */
)
SELECT * FROM trained WHERE abs(hashint8(job_id)::bigint) % $2 = 0
UNION
(SELECT * FROM trained ORDER BY fitness DESC NULLS LAST, job_id LIMIT $3)
ORDER BY job_id
