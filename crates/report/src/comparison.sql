-- Networks of one search with what another search is compared by. In no order: the client sorts them in less time.
-- $1 search_id
SELECT job_id, hash, fitness, fitness_source, epochs, parameters, flops
FROM job_outcome
WHERE search_id = $1 AND fitness IS NOT NULL AND outcome IN ('terminated', 'completed')
/* and filter */
