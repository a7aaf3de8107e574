-- Why: a result row had the fitness of the last prediction beside the interval of the first one, reports did not know the settings of a
-- search that they are about, and nobody counted what was trained twice. Only additions, and columns that say what stands beside them.

ALTER TABLE result
    ADD COLUMN stop_prediction double precision,
    ADD COLUMN stop_low_80     double precision,
    ADD COLUMN stop_high_80    double precision,
    ADD COLUMN stop_low_90     double precision,
    ADD COLUMN stop_high_90    double precision;
COMMENT ON COLUMN result.prediction IS 'Predicted fitness in per cent at the last observation, which fitness is of a terminated job; null where none was made there';
COMMENT ON COLUMN result.low_80 IS 'Lower end of the 80 % interval of the last prediction';
COMMENT ON COLUMN result.high_80 IS 'Upper end of the 80 % interval of the last prediction';
COMMENT ON COLUMN result.low_90 IS 'Lower end of the 90 % interval of the last prediction';
COMMENT ON COLUMN result.high_90 IS 'Upper end of the 90 % interval of the last prediction';
COMMENT ON COLUMN result.stop_prediction IS 'Predicted fitness in per cent at stop_epoch';
COMMENT ON COLUMN result.stop_low_80 IS 'Lower end of the 80 % interval of stop_prediction';
COMMENT ON COLUMN result.stop_high_80 IS 'Upper end of the 80 % interval of stop_prediction';
COMMENT ON COLUMN result.stop_low_90 IS 'Lower end of the 90 % interval of stop_prediction';
COMMENT ON COLUMN result.stop_high_90 IS 'Upper end of the 90 % interval of stop_prediction';

-- What stands there is of the first decision to stop, where there was one.
UPDATE result
SET stop_prediction = result.prediction, stop_low_80 = result.low_80, stop_high_80 = result.high_80,
    stop_low_90 = result.low_90, stop_high_90 = result.high_90,
    prediction = last.prediction, low_80 = last.low_80, high_80 = last.high_80, low_90 = last.low_90, high_90 = last.high_90
FROM observation last
WHERE last.job_id = result.job_id AND last.step = result.step AND result.stop_epoch IS NOT NULL;

ALTER TABLE attempt ADD COLUMN repeated integer CHECK (repeated >= 0);
COMMENT ON COLUMN attempt.repeated IS 'Intervals from first_step on that had been observed before: trained again, if it got so far; null before version 0.2';

DROP FUNCTION curve_result(bigint, outcome);
CREATE FUNCTION curve_result(job bigint, ended outcome)
RETURNS TABLE (step integer, epochs double precision, seconds double precision, last_fitness double precision,
               best_fitness double precision, final_fitness double precision, stop_epoch double precision,
               stop_seconds double precision, stop_fitness double precision, stop_prediction double precision,
               stop_low_80 double precision, stop_high_80 double precision, stop_low_90 double precision,
               stop_high_90 double precision, prediction double precision, low_80 double precision,
               high_80 double precision, low_90 double precision, high_90 double precision, fitness double precision)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(curve.step, 0), coalesce(curve.epochs, 0), coalesce(curve.seconds, 0), last.val_acc, curve.best,
           CASE WHEN ended = 'completed' THEN last.val_acc END,
           stop.epoch, spent.seconds, stop.val_acc,
           stop.prediction, stop.low_80, stop.high_80, stop.low_90, stop.high_90,
           last.prediction, last.low_80, last.high_80, last.low_90, last.high_90,
           CASE ended WHEN 'completed' THEN last.val_acc
                      WHEN 'terminated' THEN coalesce(last.prediction, last.val_acc) END
    FROM (
        SELECT max(o.step) AS step, max(o.epoch) AS epochs, sum(o.seconds) AS seconds, max(o.val_acc) AS best
        FROM observation o WHERE o.job_id = job
    ) AS curve
    LEFT JOIN LATERAL (
        SELECT o.* FROM observation o WHERE o.job_id = job ORDER BY o.step DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT o.* FROM observation o WHERE o.job_id = job AND o.decision = 'stop' ORDER BY o.step LIMIT 1
    ) AS stop ON true
    LEFT JOIN LATERAL (
        SELECT sum(o.seconds) AS seconds FROM observation o WHERE o.job_id = job AND o.step <= stop.step
    ) AS spent ON true
$$;
COMMENT ON FUNCTION curve_result(bigint, outcome) IS 'The columns of a result row that follow from the curve of a job and how it ended';

CREATE OR REPLACE FUNCTION write_result(job bigint, of_search bigint, by_fence bigint, ended outcome, cause text)
RETURNS double precision
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ranked double precision;
BEGIN
    WITH final AS (
        SELECT * FROM curve_result($1, $4)
    ), written AS (
        INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness,
                            final_fitness, stop_epoch, stop_seconds, stop_fitness, stop_prediction, stop_low_80, stop_high_80,
                            stop_low_90, stop_high_90, prediction, low_80, high_80, low_90, high_90, fitness, error)
        SELECT $1, $2, $3, step, $4, epochs, seconds, last_fitness, best_fitness, final_fitness, stop_epoch, stop_seconds,
               stop_fitness, stop_prediction, stop_low_80, stop_high_80, stop_low_90, stop_high_90, prediction, low_80,
               high_80, low_90, high_90, fitness, $5
        FROM final
        ON CONFLICT (job_id) DO UPDATE
        SET fence = excluded.fence, step = excluded.step, outcome = excluded.outcome, epochs = excluded.epochs,
            seconds = excluded.seconds, last_fitness = excluded.last_fitness, best_fitness = excluded.best_fitness,
            final_fitness = excluded.final_fitness, stop_epoch = excluded.stop_epoch,
            stop_seconds = excluded.stop_seconds, stop_fitness = excluded.stop_fitness,
            stop_prediction = excluded.stop_prediction, stop_low_80 = excluded.stop_low_80,
            stop_high_80 = excluded.stop_high_80, stop_low_90 = excluded.stop_low_90, stop_high_90 = excluded.stop_high_90,
            prediction = excluded.prediction, low_80 = excluded.low_80, high_80 = excluded.high_80,
            low_90 = excluded.low_90, high_90 = excluded.high_90, fitness = excluded.fitness, error = excluded.error,
            finished_at = now()
    ), history AS (
        INSERT INTO finish (search_id, job_id, fitness, step, outcome) SELECT $2, $1, fitness, step, $4 FROM final
    )
    SELECT fitness INTO ranked FROM final;
    RETURN ranked;
END
$$;

CREATE OR REPLACE VIEW job_outcome AS
SELECT s.name AS search, j.search_id, j.id AS job_id, j.architecture_id, a.hash, a.summary,
       nullif(a.parameters, 0) AS parameters, nullif(a.flops, 0) AS flops, a.generation,
       j.seed, j.mode, j.state, j.class, j.attempts, j.crashes,
       r.outcome, r.step, r.epochs, s.max_epochs, r.seconds, r.last_fitness, r.best_fitness,
       r.final_fitness AS true_fitness, r.fitness,
       CASE WHEN r.fitness IS NULL THEN NULL
            WHEN r.final_fitness IS NOT NULL THEN 'measured'
            WHEN r.prediction IS NOT NULL AND r.outcome = 'terminated' THEN 'predicted'
            ELSE 'observed' END AS fitness_source,
       r.stop_epoch, r.stop_seconds, r.stop_fitness, r.prediction, r.low_80, r.high_80, r.low_90, r.high_90,
       CASE WHEN r.stop_epoch < s.max_epochs THEN coalesce(r.stop_prediction, r.stop_fitness) ELSE r.final_fitness END AS believed_fitness,
       CASE WHEN r.stop_epoch < s.max_epochs THEN r.stop_fitness ELSE r.final_fitness END AS observed_fitness,
       least(r.stop_epoch, r.epochs) AS epochs_if_obeyed,
       r.error, r.finished_at,
       r.stop_prediction, r.stop_low_80, r.stop_high_80, r.stop_low_90, r.stop_high_90
FROM job j
LEFT JOIN result r ON r.job_id = j.id AND r.search_id = j.search_id
LEFT JOIN architecture a ON a.id = j.architecture_id AND a.search_id = j.search_id
LEFT JOIN search s ON s.id = j.search_id;
COMMENT ON COLUMN job_outcome.stop_epoch IS 'Epoch of the first decision to stop or to set aside, obeyed or not; null if there was none. A job that was set aside may have been taken up again and trained on';
COMMENT ON COLUMN job_outcome.prediction IS 'Predicted fitness in per cent at the last observation, which fitness is where it is predicted; null where none was made there, as at the end of a full training';
COMMENT ON COLUMN job_outcome.low_80 IS 'Lower end of the 80 % interval of prediction';
COMMENT ON COLUMN job_outcome.high_80 IS 'Upper end of the 80 % interval of prediction';
COMMENT ON COLUMN job_outcome.low_90 IS 'Lower end of the 90 % interval of prediction';
COMMENT ON COLUMN job_outcome.high_90 IS 'Upper end of the 90 % interval of prediction';
COMMENT ON COLUMN job_outcome.believed_fitness IS 'What an engine that judges each job by its own curve and stops for good would rank by: stop_prediction if it came before max_epochs (stop_fitness, from an engine that predicts nothing), else the measured fitness. Engines that take frozen jobs up again rank otherwise: peng report ranking';
COMMENT ON COLUMN job_outcome.observed_fitness IS 'The baseline of believed_fitness: the accuracy observed at the same epoch';
COMMENT ON COLUMN job_outcome.epochs_if_obeyed IS 'Epochs that it would have trained had its first decision to stop been final: of engines that take frozen jobs up again it is not what a terminating search trains';
COMMENT ON COLUMN job_outcome.stop_prediction IS 'Predicted fitness in per cent at stop_epoch';
COMMENT ON COLUMN job_outcome.stop_low_80 IS 'Lower end of the 80 % interval of stop_prediction';
COMMENT ON COLUMN job_outcome.stop_high_80 IS 'Upper end of the 80 % interval of stop_prediction';
COMMENT ON COLUMN job_outcome.stop_low_90 IS 'Lower end of the 90 % interval of stop_prediction';
COMMENT ON COLUMN job_outcome.stop_high_90 IS 'Upper end of the 90 % interval of stop_prediction';

CREATE OR REPLACE VIEW prediction_calibration AS
SELECT search, search_id, stop_epoch,
       count(*) AS jobs,
       avg(stop_prediction - true_fitness) AS bias,
       avg(abs(stop_prediction - true_fitness)) AS mean_absolute_error,
       sqrt(avg((stop_prediction - true_fitness) ^ 2)) AS root_mean_square_error,
       count(stop_low_80) AS with_interval_80,
       avg((true_fitness BETWEEN stop_low_80 AND stop_high_80)::integer::double precision) AS coverage_80,
       avg(stop_high_80 - stop_low_80) AS width_80,
       count(stop_low_90) AS with_interval_90,
       avg((true_fitness BETWEEN stop_low_90 AND stop_high_90)::integer::double precision) AS coverage_90,
       avg(stop_high_90 - stop_low_90) AS width_90,
       mode IN ('promoted', 'terminate') AS chosen
FROM job_outcome
WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND stop_prediction IS NOT NULL
GROUP BY search, search_id, stop_epoch, mode IN ('promoted', 'terminate');
COMMENT ON VIEW prediction_calibration IS 'Error of the predictions at the first decision to stop or to set aside, by its epoch, over the jobs with one before max_epochs whose truth is known';

COMMENT ON COLUMN predicted_rank.stop_epoch IS 'Epoch of the first decision to stop or to set aside, obeyed or not';
COMMENT ON COLUMN predicted_rank.believed_fitness IS 'What the search would rank by had its first decision to stop been final, in per cent';
COMMENT ON COLUMN savings.converged IS 'Jobs with a decision to stop or to set aside, obeyed or not, the last epoch included';
COMMENT ON COLUMN savings.stops IS 'Jobs with such a decision before max_epochs';
COMMENT ON COLUMN savings.mean_stop_epoch IS 'Mean epoch of the first such decision';
COMMENT ON COLUMN savings.epochs_if_obeyed IS 'Epochs that would have been trained had each first decision been final: of engines that take frozen jobs up again it is not what a terminating search trains';
COMMENT ON COLUMN savings.would_have_saved_percent IS 'Epochs saved had each first decision been final, in per cent of epochs_full: of engines that take frozen jobs up again it is not what a terminating search saves, see peng report savings';

CREATE OR REPLACE VIEW job_attempt AS
SELECT s.name AS search, j.search_id, t.job_id, t.fence, t.worker_id, w.host, w.device, t.started_at, t.first_step,
       t.ended_at, t."end" AS ending, t.error, t.chance, t.repeated
FROM attempt t
LEFT JOIN job j ON j.id = t.job_id
LEFT JOIN worker w ON w.id = t.worker_id
LEFT JOIN search s ON s.id = j.search_id;
COMMENT ON COLUMN job_attempt.ending IS 'How it ended: finished, frozen, released, retried or lost; null while it runs';
COMMENT ON COLUMN job_attempt.chance IS 'Of a frozen job that was taken up again: the chance of belonging to the best for which it was; null for other claims';
COMMENT ON COLUMN job_attempt.repeated IS 'Intervals from first_step on that had been observed before: trained again, if it got so far';

CREATE OR REPLACE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at, s.priority, s.max_running, s.submitted_by, c.frozen, s.spec
FROM search s
LEFT JOIN LATERAL (
    SELECT count(*) AS jobs,
           count(*) FILTER (WHERE j.state IN ('ready', 'waiting', 'paused')) AS waiting,
           count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'frozen') AS frozen,
           count(*) FILTER (WHERE j.state = 'terminated') AS terminated,
           count(*) FILTER (WHERE j.state = 'completed') AS completed,
           count(*) FILTER (WHERE j.state = 'diverged') AS diverged,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM job j WHERE j.search_id = s.id
) c ON true;
COMMENT ON COLUMN search_summary.spec IS 'The effective specification as JSON; of imported curves where they come from';
