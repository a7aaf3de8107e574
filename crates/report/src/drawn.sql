-- The jobs whose curves are drawn: the best fifty, and others evenly spread over the numbers of jobs, up to $2.
-- $1 search_id, $2 how many
WITH trained AS MATERIALIZED (
    SELECT job_id, outcome::text AS outcome, fitness, true_fitness, stop_epoch, stop_fitness, epochs, last_fitness,
           row_number() OVER (ORDER BY fitness DESC NULLS LAST, job_id) AS place,
           row_number() OVER (ORDER BY job_id) AS number, count(*) OVER () AS jobs
    FROM job_outcome
    WHERE search_id = $1 AND outcome IN ('terminated', 'completed', 'diverged')
    /* and filter */
)
SELECT job_id, outcome, fitness, true_fitness, stop_epoch, stop_fitness, epochs, last_fitness, jobs
FROM trained
WHERE jobs <= $2 OR place <= least(50, $2 / 2) OR number % greatest(1, jobs / ($2 - least(50, $2 / 2))) = 0
ORDER BY job_id
