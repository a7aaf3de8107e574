-- One job with all that is known of it.
-- $1 job_id
SELECT search, job_id, hash, summary, parameters, flops, generation, seed, mode::text AS mode, state::text AS state,
       class, attempts, crashes, epochs, max_epochs, seconds, last_fitness, best_fitness, true_fitness, fitness,
       fitness_source, stop_epoch, stop_prediction, prediction, low_80, high_80, low_90, high_90, error, finished_at
FROM job_outcome
WHERE job_id = $1
