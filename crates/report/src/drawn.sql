-- The jobs whose curves are drawn: all of them up to $2, else the best fifty and about as many others as make $2, drawn by
-- a hash of their numbers: the same each time, and no part of the search more than another.
-- $1 search_id, $2 how many (more than fifty)
WITH trained AS NOT MATERIALIZED (
    SELECT job_id, outcome::text AS outcome, fitness, stop_epoch, stop_fitness
    FROM job_outcome
    WHERE search_id = $1 AND outcome IN ('terminated', 'completed', 'diverged')
    /* and filter */
), counted AS MATERIALIZED (
    SELECT count(*) AS jobs FROM trained
)
SELECT trained.*, counted.jobs FROM trained CROSS JOIN counted
WHERE jobs <= $2 OR abs(hashint8(job_id)::bigint) % greatest(1, jobs / ($2 - 50)) = 0
UNION
(SELECT trained.*, counted.jobs FROM trained CROSS JOIN counted ORDER BY fitness DESC NULLS LAST, job_id LIMIT 50)
ORDER BY job_id
