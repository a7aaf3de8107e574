-- The best fitness that was measured at the end of a full training.
-- $1 search_id
SELECT max(true_fitness) AS fitness
FROM job_outcome
WHERE search_id = $1 AND outcome = 'completed'
/* and filter */
