-- All architectures of a search with what came of them, in the order of proposal. $1 search.
SELECT architecture.id, genome, generation, parents, result.job_id IS NOT NULL AS ended, result.fitness,
       parameters, flops
FROM architecture
JOIN job ON job.architecture_id = architecture.id
LEFT JOIN result ON result.job_id = job.id
WHERE architecture.search_id = $1
ORDER BY architecture.id
