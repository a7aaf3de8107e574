-- The best networks by what the search ranks by, and where that comes from.
-- $1 search_id
SELECT job_id, outcome::text AS outcome, fitness, fitness_source, epochs, parameters, flops, summary,
       CASE WHEN fitness_source = 'predicted' THEN low_80 END AS low_80,
       CASE WHEN fitness_source = 'predicted' THEN high_80 END AS high_80
FROM job_outcome
WHERE search_id = $1 AND fitness IS NOT NULL AND outcome IN ('terminated', 'completed')
/* and filter */
ORDER BY fitness DESC NULLS LAST, job_id
LIMIT 10
