-- One result row per job, from its curve, by the rules of finish.sql: a job that was cut off is cancelled.
-- $1 search
INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness,
                    final_fitness, stop_epoch, stop_seconds, stop_fitness, prediction, fitness)
SELECT j.id, j.search_id, 0, curve.step, j.state::text::outcome, curve.epochs, curve.seconds, last.val_acc, curve.best,
       CASE WHEN j.state = 'completed' THEN last.val_acc END, stop.epoch, spent.seconds, stop.val_acc,
       CASE WHEN stop.step IS NULL THEN last.prediction ELSE stop.prediction END,
       CASE j.state WHEN 'completed' THEN last.val_acc WHEN 'terminated' THEN last.prediction END
FROM job j
CROSS JOIN LATERAL (
    SELECT max(step) AS step, max(epoch) AS epochs, coalesce(sum(seconds), 0) AS seconds, max(val_acc) AS best
    FROM observation WHERE job_id = j.id
) curve
CROSS JOIN LATERAL (SELECT val_acc, prediction FROM observation WHERE job_id = j.id ORDER BY step DESC LIMIT 1) last
LEFT JOIN LATERAL (
    SELECT step, epoch, val_acc, prediction FROM observation
    WHERE job_id = j.id AND decision = 'stop' ORDER BY step LIMIT 1
) stop ON true
LEFT JOIN LATERAL (SELECT sum(seconds) AS seconds FROM observation WHERE job_id = j.id AND step <= stop.step) spent ON true
WHERE j.search_id = $1
