-- How many networks were measured as at least so good.
-- $1 search_id, $2 fitness in per cent
SELECT count(*) AS networks
FROM job_outcome
WHERE search_id = $1 AND fitness >= $2 AND true_fitness IS NOT NULL AND outcome = 'completed'
/* and filter */
