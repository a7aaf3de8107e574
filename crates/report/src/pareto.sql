-- Networks with what the search ranks by and what they cost. In no order: the client sorts them in less time.
-- $1 search_id
SELECT job_id, fitness, fitness_source, parameters, flops
FROM job_outcome
WHERE search_id = $1 AND fitness IS NOT NULL AND outcome IN ('terminated', 'completed')
/* and filter */
