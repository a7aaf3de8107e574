-- One result row per job, from its curve: a job that was cut off is cancelled.
-- $1 search
INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness, final_fitness,
                    stop_epoch, stop_seconds, stop_fitness, stop_prediction, stop_low_80, stop_high_80, stop_low_90,
                    stop_high_90, prediction, low_80, high_80, low_90, high_90, fitness)
SELECT job.id, job.search_id, 0, curve.step, job.state::text::outcome, curve.epochs, curve.seconds, curve.last_fitness,
       curve.best_fitness, curve.final_fitness, curve.stop_epoch, curve.stop_seconds, curve.stop_fitness,
       curve.stop_prediction, curve.stop_low_80, curve.stop_high_80, curve.stop_low_90, curve.stop_high_90, curve.prediction,
       curve.low_80, curve.high_80, curve.low_90, curve.high_90, curve.fitness
FROM job CROSS JOIN LATERAL curve_result(job.id, job.state::text::outcome) AS curve
WHERE job.search_id = $1
