-- What ended after an ordinal, in the order of ordinals, as it was then. $1 search, $2 ordinal.
SELECT finish.ordinal AS cursor, finish.job_id AS job, architecture.hash, finish.outcome, finish.fitness,
       CASE WHEN finish.fitness IS NULL THEN NULL WHEN finish.outcome = 'completed' THEN 'measured'
            WHEN last.prediction IS NULL THEN 'observed' ELSE 'predicted' END AS fitness_source,
       last.epoch AS epochs, last.val_acc AS last_fitness, nullif(architecture.parameters, 0) AS parameters,
       nullif(architecture.flops, 0) AS flops, job.seed, finish.finished_at,
       CASE WHEN finish.outcome = 'failed' THEN result.error END AS error, architecture.genome
FROM finish
JOIN job ON job.id = finish.job_id
JOIN architecture ON architecture.id = job.architecture_id
LEFT JOIN result ON result.job_id = finish.job_id
LEFT JOIN observation last ON last.job_id = finish.job_id AND last.step = finish.step
WHERE finish.search_id = $1 AND finish.ordinal > $2
ORDER BY finish.ordinal
