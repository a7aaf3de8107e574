-- The best networks by what the search ranks by, where that comes from, and how far it may be off: a prediction by its interval, a
-- measurement by the binomial standard error of an accuracy over the images that it was measured on.
-- $1 search_id, $2 images, or null where their number is not known
SELECT job_id, outcome::text AS outcome, fitness, fitness_source, epochs, parameters, flops, summary,
       CASE WHEN fitness_source = 'predicted' THEN low_80 END AS low_80,
       CASE WHEN fitness_source = 'predicted' THEN high_80 END AS high_80,
       CASE WHEN fitness_source <> 'predicted' THEN sqrt(fitness * (100 - fitness) / $2) END AS standard_error
FROM job_outcome
WHERE search_id = $1 AND fitness IS NOT NULL AND outcome IN ('terminated', 'completed')
/* and filter */
ORDER BY fitness DESC NULLS LAST, job_id
LIMIT 10
