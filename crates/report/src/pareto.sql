-- Networks with what the search ranks by and what they cost.
-- $1 search_id
SELECT job_id, fitness, fitness_source, parameters, flops
FROM job_outcome
WHERE search_id = $1 AND fitness IS NOT NULL AND outcome IN ('terminated', 'completed')
/* and filter */
ORDER BY job_id
