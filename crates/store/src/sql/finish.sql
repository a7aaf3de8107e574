-- Ends a job under its fence: the lease goes, the result row is computed from the curve, so that the two can never
-- disagree. The job is found by primary key and fence alone, so that no partial index is read.
-- $1 job, $2 fence, $3 outcome, $4 error or null, $5 last lines of the log or null.
WITH held AS (
    DELETE FROM lease WHERE job_id = $1 AND fence = $2 RETURNING job_id
), moved AS (
    UPDATE job SET state = $3::text::job_state, run_after = NULL
    WHERE id = (SELECT job_id FROM held) AND fence = $2
    RETURNING id, search_id
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'finished', error = $4, log = $5
    WHERE job_id = (SELECT job_id FROM held) AND fence = $2
), curve AS (
    SELECT max(step) AS step, max(epoch) AS epochs, coalesce(sum(seconds), 0) AS seconds, max(val_acc) AS best
    FROM observation WHERE job_id = $1
), last AS (
    SELECT * FROM observation WHERE job_id = $1 ORDER BY step DESC LIMIT 1
), stop AS (
    SELECT * FROM observation WHERE job_id = $1 AND decision = 'stop' ORDER BY step LIMIT 1
), spent AS (
    SELECT sum(seconds) AS seconds FROM observation WHERE job_id = $1 AND step <= (SELECT step FROM stop)
), final AS (
    SELECT moved.id, moved.search_id, coalesce(curve.step, 0) AS step, coalesce(curve.epochs, 0) AS epochs,
           curve.seconds, last.val_acc AS last_fitness, curve.best AS best_fitness,
           CASE WHEN $3::text = 'completed' THEN last.val_acc END AS final_fitness,
           stop.epoch AS stop_epoch, spent.seconds AS stop_seconds, stop.val_acc AS stop_fitness,
           CASE WHEN stop.step IS NULL THEN last.prediction ELSE stop.prediction END AS prediction,
           CASE WHEN stop.step IS NULL THEN last.low_80 ELSE stop.low_80 END AS low_80,
           CASE WHEN stop.step IS NULL THEN last.high_80 ELSE stop.high_80 END AS high_80,
           CASE WHEN stop.step IS NULL THEN last.low_90 ELSE stop.low_90 END AS low_90,
           CASE WHEN stop.step IS NULL THEN last.high_90 ELSE stop.high_90 END AS high_90,
           CASE $3::text WHEN 'completed' THEN last.val_acc
                   WHEN 'terminated' THEN coalesce(last.prediction, last.val_acc) END AS fitness
    FROM moved CROSS JOIN curve CROSS JOIN spent LEFT JOIN last ON true LEFT JOIN stop ON true
), written AS (
    INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness,
                        final_fitness, stop_epoch, stop_seconds, stop_fitness, prediction, low_80, high_80, low_90,
                        high_90, fitness, error)
    SELECT id, search_id, $2, step, $3::text::outcome, epochs, seconds, last_fitness, best_fitness, final_fitness,
           stop_epoch, stop_seconds, stop_fitness, prediction, low_80, high_80, low_90, high_90, fitness, $4
    FROM final
    ON CONFLICT (job_id) DO UPDATE
    SET fence = excluded.fence, step = excluded.step, outcome = excluded.outcome, epochs = excluded.epochs,
        seconds = excluded.seconds, last_fitness = excluded.last_fitness, best_fitness = excluded.best_fitness,
        final_fitness = excluded.final_fitness, stop_epoch = excluded.stop_epoch,
        stop_seconds = excluded.stop_seconds, stop_fitness = excluded.stop_fitness, prediction = excluded.prediction,
        low_80 = excluded.low_80, high_80 = excluded.high_80, low_90 = excluded.low_90, high_90 = excluded.high_90,
        fitness = excluded.fitness, error = excluded.error, finished_at = now()
), history AS (
    INSERT INTO finish (search_id, job_id, fitness, step, outcome)
    SELECT search_id, id, fitness, step, $3::text::outcome FROM final
)
SELECT search_id, fitness FROM final
