-- The architectures of a search after one of them, with what came of them, in the order of proposal. They are few each time but
-- the first. $1 search, $2 id.
SELECT architecture.id, job.id AS job_id, genome, generation, parents, result.job_id IS NOT NULL AS ended, result.fitness,
       parameters, flops
FROM architecture
JOIN job ON job.architecture_id = architecture.id
LEFT JOIN result ON result.job_id = job.id
WHERE architecture.search_id = $1 AND architecture.id > $2
ORDER BY architecture.id
