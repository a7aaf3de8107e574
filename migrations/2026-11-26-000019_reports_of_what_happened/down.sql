-- A view loses a column only with the view, and with those that read it.

DROP VIEW predicted_rank, prediction_calibration, pareto_front, job_outcome, job_attempt, search_summary;

CREATE VIEW job_outcome AS
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
       CASE WHEN r.stop_epoch < s.max_epochs THEN coalesce(r.prediction, r.stop_fitness) ELSE r.final_fitness END AS believed_fitness,
       CASE WHEN r.stop_epoch < s.max_epochs THEN r.stop_fitness ELSE r.final_fitness END AS observed_fitness,
       least(r.stop_epoch, r.epochs) AS epochs_if_obeyed,
       r.error, r.finished_at
FROM job j
LEFT JOIN result r ON r.job_id = j.id AND r.search_id = j.search_id
LEFT JOIN architecture a ON a.id = j.architecture_id AND a.search_id = j.search_id
LEFT JOIN search s ON s.id = j.search_id;

COMMENT ON VIEW job_outcome IS 'One row per job: what it trained, how it ended, what was predicted and, where it was trained to the end, the truth';
COMMENT ON COLUMN job_outcome.search IS 'Name of the search';
COMMENT ON COLUMN job_outcome.search_id IS 'Number of the search';
COMMENT ON COLUMN job_outcome.job_id IS 'Number of the job';
COMMENT ON COLUMN job_outcome.architecture_id IS 'Number of the architecture';
COMMENT ON COLUMN job_outcome.hash IS 'Canonical hash of the genome: the same architecture has it in every search';
COMMENT ON COLUMN job_outcome.summary IS 'One-line human reading of the genome';
COMMENT ON COLUMN job_outcome.parameters IS 'Trainable parameters; null where not recorded';
COMMENT ON COLUMN job_outcome.flops IS 'Floating-point operations of one forward pass of one image; null where not recorded';
COMMENT ON COLUMN job_outcome.generation IS 'Generation of the strategy';
COMMENT ON COLUMN job_outcome.seed IS 'Seed of the training';
COMMENT ON COLUMN job_outcome.mode IS 'Whether decisions of the predictor are obeyed: terminate, observe, audit or promoted';
COMMENT ON COLUMN job_outcome.state IS 'Where it stands: a place in the queue or an outcome';
COMMENT ON COLUMN job_outcome.class IS 'Class of workers that may claim it';
COMMENT ON COLUMN job_outcome.attempts IS 'How often it was claimed';
COMMENT ON COLUMN job_outcome.crashes IS 'Attempts that were lost or ended by a passing error';
COMMENT ON COLUMN job_outcome.outcome IS 'How it ended; null while it has not';
COMMENT ON COLUMN job_outcome.step IS 'Last evaluation interval';
COMMENT ON COLUMN job_outcome.epochs IS 'Epochs trained';
COMMENT ON COLUMN job_outcome.max_epochs IS 'Epochs of a full training';
COMMENT ON COLUMN job_outcome.seconds IS 'Seconds trained and validated';
COMMENT ON COLUMN job_outcome.last_fitness IS 'Last observed validation accuracy in per cent';
COMMENT ON COLUMN job_outcome.best_fitness IS 'Best observed validation accuracy in per cent';
COMMENT ON COLUMN job_outcome.true_fitness IS 'Ground truth: validation accuracy in per cent at max_epochs; null unless it was trained to the end';
COMMENT ON COLUMN job_outcome.fitness IS 'What the search ranks by, in per cent; see fitness_source before using it as truth';
COMMENT ON COLUMN job_outcome.fitness_source IS 'Where fitness comes from: measured (trained to the end), predicted (terminated), or observed (terminated by an engine that predicts nothing)';
COMMENT ON COLUMN job_outcome.stop_epoch IS 'Epoch of the first decision to stop, obeyed or not; null if there was none';
COMMENT ON COLUMN job_outcome.stop_seconds IS 'Seconds trained up to stop_epoch';
COMMENT ON COLUMN job_outcome.stop_fitness IS 'Observed validation accuracy in per cent at stop_epoch';
COMMENT ON COLUMN job_outcome.prediction IS 'Predicted fitness in per cent at stop_epoch, or at the last epoch where there was no decision to stop';
COMMENT ON COLUMN job_outcome.low_80 IS 'Lower end of the 80 % interval of the prediction';
COMMENT ON COLUMN job_outcome.high_80 IS 'Upper end of the 80 % interval of the prediction';
COMMENT ON COLUMN job_outcome.low_90 IS 'Lower end of the 90 % interval of the prediction';
COMMENT ON COLUMN job_outcome.high_90 IS 'Upper end of the 90 % interval of the prediction';
COMMENT ON COLUMN job_outcome.believed_fitness IS 'What the search would rank by had the decision been obeyed: the prediction if it came before max_epochs (the accuracy observed there, from an engine that predicts nothing), else the measured fitness';
COMMENT ON COLUMN job_outcome.observed_fitness IS 'The baseline of believed_fitness: the accuracy observed at the same epoch';
COMMENT ON COLUMN job_outcome.epochs_if_obeyed IS 'Epochs that it would have trained had the decision been obeyed';
COMMENT ON COLUMN job_outcome.error IS 'Last error of a failed job';
COMMENT ON COLUMN job_outcome.finished_at IS 'When it ended';

CREATE VIEW predicted_rank AS
SELECT search, search_id, job_id, mode, stop_epoch, believed_fitness, observed_fitness, true_fitness,
       rank() OVER (PARTITION BY search_id ORDER BY believed_fitness DESC) AS believed_rank,
       rank() OVER (PARTITION BY search_id ORDER BY observed_fitness DESC) AS observed_rank,
       rank() OVER (PARTITION BY search_id ORDER BY true_fitness DESC) AS true_rank
FROM job_outcome
WHERE true_fitness IS NOT NULL AND believed_fitness IS NOT NULL;
COMMENT ON VIEW predicted_rank IS 'Predicted against true rank, over the jobs of a search whose truth is known';
COMMENT ON COLUMN predicted_rank.search IS 'Name of the search';
COMMENT ON COLUMN predicted_rank.search_id IS 'Number of the search';
COMMENT ON COLUMN predicted_rank.job_id IS 'Number of the job';
COMMENT ON COLUMN predicted_rank.mode IS 'Why the truth is known: observe and audit are unbiased, promoted are chosen, terminate were never stopped';
COMMENT ON COLUMN predicted_rank.stop_epoch IS 'Epoch of the first decision to stop, obeyed or not';
COMMENT ON COLUMN predicted_rank.believed_fitness IS 'What the search would rank by had the decision been obeyed, in per cent';
COMMENT ON COLUMN predicted_rank.observed_fitness IS 'Accuracy observed at the same epoch, in per cent: the baseline';
COMMENT ON COLUMN predicted_rank.true_fitness IS 'Validation accuracy in per cent at max_epochs';
COMMENT ON COLUMN predicted_rank.believed_rank IS 'Rank by believed_fitness, 1 the best; equals share a rank';
COMMENT ON COLUMN predicted_rank.observed_rank IS 'Rank by observed_fitness';
COMMENT ON COLUMN predicted_rank.true_rank IS 'Rank by true_fitness';

CREATE VIEW prediction_calibration AS
SELECT search, search_id, stop_epoch,
       count(*) AS jobs,
       avg(prediction - true_fitness) AS bias,
       avg(abs(prediction - true_fitness)) AS mean_absolute_error,
       sqrt(avg((prediction - true_fitness) ^ 2)) AS root_mean_square_error,
       count(low_80) AS with_interval_80,
       avg((true_fitness BETWEEN low_80 AND high_80)::integer::double precision) AS coverage_80,
       avg(high_80 - low_80) AS width_80,
       count(low_90) AS with_interval_90,
       avg((true_fitness BETWEEN low_90 AND high_90)::integer::double precision) AS coverage_90,
       avg(high_90 - low_90) AS width_90,
       mode IN ('promoted', 'terminate') AS chosen
FROM job_outcome
WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL
GROUP BY search, search_id, stop_epoch, mode IN ('promoted', 'terminate');
COMMENT ON VIEW prediction_calibration IS 'Error of the predictions by epoch of decision, over the jobs that the predictor stopped or would have stopped before max_epochs and whose truth is known';
COMMENT ON COLUMN prediction_calibration.search IS 'Name of the search';
COMMENT ON COLUMN prediction_calibration.search_id IS 'Number of the search';
COMMENT ON COLUMN prediction_calibration.stop_epoch IS 'Epoch of the decision';
COMMENT ON COLUMN prediction_calibration.jobs IS 'Jobs with that epoch of decision and known truth';
COMMENT ON COLUMN prediction_calibration.bias IS 'Mean of prediction less truth, in points';
COMMENT ON COLUMN prediction_calibration.mean_absolute_error IS 'Mean of the absolute difference, in points';
COMMENT ON COLUMN prediction_calibration.root_mean_square_error IS 'Root of the mean squared difference, in points';
COMMENT ON COLUMN prediction_calibration.with_interval_80 IS 'Jobs whose prediction has an 80 % interval';
COMMENT ON COLUMN prediction_calibration.coverage_80 IS 'Share (0 to 1) of those whose truth lies in it';
COMMENT ON COLUMN prediction_calibration.width_80 IS 'Mean width of the 80 % intervals, in points';
COMMENT ON COLUMN prediction_calibration.with_interval_90 IS 'Jobs whose prediction has a 90 % interval';
COMMENT ON COLUMN prediction_calibration.coverage_90 IS 'Share (0 to 1) of those whose truth lies in it';
COMMENT ON COLUMN prediction_calibration.width_90 IS 'Mean width of the 90 % intervals, in points';
COMMENT ON COLUMN prediction_calibration.chosen IS 'Whether these jobs were resumed or promoted to the end for their prediction, and so are no sample; the others were observed or drawn for the audit';

CREATE VIEW pareto_front AS
SELECT search, search_id, job_id, summary, parameters, flops, fitness, fitness_source
FROM (
    SELECT *, max(fitness) OVER (PARTITION BY search_id ORDER BY flops, fitness DESC, job_id
                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS best_below
    FROM job_outcome
    WHERE fitness IS NOT NULL AND flops IS NOT NULL AND outcome IN ('terminated', 'completed')
) ranked
WHERE best_below IS NULL OR fitness > best_below;
COMMENT ON VIEW pareto_front IS 'Networks of a search that no other beats in both fitness and FLOPs; of equals the first job';
COMMENT ON COLUMN pareto_front.search IS 'Name of the search';
COMMENT ON COLUMN pareto_front.search_id IS 'Number of the search';
COMMENT ON COLUMN pareto_front.job_id IS 'Number of the job';
COMMENT ON COLUMN pareto_front.summary IS 'One-line human reading of the genome';
COMMENT ON COLUMN pareto_front.parameters IS 'Trainable parameters';
COMMENT ON COLUMN pareto_front.flops IS 'Floating-point operations of one forward pass of one image';
COMMENT ON COLUMN pareto_front.fitness IS 'What the search ranks by, in per cent';
COMMENT ON COLUMN pareto_front.fitness_source IS 'measured, predicted or observed';

CREATE VIEW job_attempt AS
SELECT s.name AS search, j.search_id, t.job_id, t.fence, t.worker_id, w.host, w.device, t.started_at, t.first_step,
       t.ended_at, t."end" AS ending, t.error
FROM attempt t
LEFT JOIN job j ON j.id = t.job_id
LEFT JOIN worker w ON w.id = t.worker_id
LEFT JOIN search s ON s.id = j.search_id;
COMMENT ON VIEW job_attempt IS 'One row per claim of a job by a worker';
COMMENT ON COLUMN job_attempt.search IS 'Name of the search';
COMMENT ON COLUMN job_attempt.search_id IS 'Number of the search';
COMMENT ON COLUMN job_attempt.job_id IS 'Number of the job';
COMMENT ON COLUMN job_attempt.fence IS 'Fence of the claim; it grows from claim to claim of the same job';
COMMENT ON COLUMN job_attempt.worker_id IS 'The worker process';
COMMENT ON COLUMN job_attempt.host IS 'Host name of the worker';
COMMENT ON COLUMN job_attempt.device IS 'What the worker trains on';
COMMENT ON COLUMN job_attempt.started_at IS 'When it was claimed';
COMMENT ON COLUMN job_attempt.first_step IS 'First evaluation interval that it trained: 1, or the one after the checkpoint that it restored';
COMMENT ON COLUMN job_attempt.ended_at IS 'When it ended; null while it runs';
COMMENT ON COLUMN job_attempt.ending IS 'How it ended: finished, released, retried or lost; null while it runs';
COMMENT ON COLUMN job_attempt.error IS 'The error that ended it';

CREATE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at, s.priority, s.max_running, s.submitted_by, c.frozen
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
COMMENT ON VIEW search_summary IS 'One row per search: what it is, and its jobs by state';
COMMENT ON COLUMN search_summary.search IS 'Name of the search';
COMMENT ON COLUMN search_summary.search_id IS 'Number of the search';
COMMENT ON COLUMN search_summary.state IS 'running, paused, finished or cancelled';
COMMENT ON COLUMN search_summary.engine IS 'Engine of the predictor';
COMMENT ON COLUMN search_summary.spec_hash IS 'SHA-256 of the effective specification without its name, in hexadecimal';
COMMENT ON COLUMN search_summary.version IS 'Version of peng that submitted it';
COMMENT ON COLUMN search_summary.max_epochs IS 'Epochs of a full training; the target of the predictor';
COMMENT ON COLUMN search_summary."interval" IS 'Evaluation interval in epochs';
COMMENT ON COLUMN search_summary.budget IS 'Jobs that the strategy may propose';
COMMENT ON COLUMN search_summary.jobs IS 'Jobs proposed so far';
COMMENT ON COLUMN search_summary.waiting IS 'Jobs that are ready, back off or are paused';
COMMENT ON COLUMN search_summary.running IS 'Jobs leased to a worker';
COMMENT ON COLUMN search_summary.terminated IS 'Jobs stopped by the predictor';
COMMENT ON COLUMN search_summary.completed IS 'Jobs trained to the end';
COMMENT ON COLUMN search_summary.diverged IS 'Jobs ended by a non-finite loss';
COMMENT ON COLUMN search_summary.failed IS 'Jobs ended by an error';
COMMENT ON COLUMN search_summary.cancelled IS 'Jobs cancelled by a person';
COMMENT ON COLUMN search_summary.created_at IS 'When it was submitted';
COMMENT ON COLUMN search_summary.finished_at IS 'When it finished or was cancelled';
COMMENT ON COLUMN search_summary.priority IS 'Searches of higher priority go first; among equals the one of which fewest jobs run';
COMMENT ON COLUMN search_summary.max_running IS 'So many of its jobs may run at once; null for no limit';
COMMENT ON COLUMN search_summary.submitted_by IS 'Who submitted it: user@host of the operating system; null where that is not known';
COMMENT ON COLUMN search_summary.frozen IS 'Jobs that the scheduler has set aside, without an ending';

COMMENT ON COLUMN savings.converged IS 'Jobs with a decision to stop, obeyed or not, the last epoch included';
COMMENT ON COLUMN savings.stops IS 'Jobs with a decision to stop before max_epochs, obeyed or not';
COMMENT ON COLUMN savings.mean_stop_epoch IS 'Mean epoch of the first decision to stop';
COMMENT ON COLUMN savings.epochs_if_obeyed IS 'Epochs that would have been trained had each decision been obeyed';
COMMENT ON COLUMN savings.would_have_saved_percent IS 'Epochs that obeying each decision would have saved, in per cent of epochs_full';

DROP FUNCTION curve_result(bigint, outcome);
CREATE FUNCTION curve_result(job bigint, ended outcome)
RETURNS TABLE (step integer, epochs double precision, seconds double precision, last_fitness double precision,
               best_fitness double precision, final_fitness double precision, stop_epoch double precision,
               stop_seconds double precision, stop_fitness double precision, prediction double precision,
               low_80 double precision, high_80 double precision, low_90 double precision, high_90 double precision,
               fitness double precision)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(curve.step, 0), coalesce(curve.epochs, 0), coalesce(curve.seconds, 0), last.val_acc, curve.best,
           CASE WHEN ended = 'completed' THEN last.val_acc END,
           stop.epoch, spent.seconds, stop.val_acc,
           CASE WHEN stop.step IS NULL THEN last.prediction ELSE stop.prediction END,
           CASE WHEN stop.step IS NULL THEN last.low_80 ELSE stop.low_80 END,
           CASE WHEN stop.step IS NULL THEN last.high_80 ELSE stop.high_80 END,
           CASE WHEN stop.step IS NULL THEN last.low_90 ELSE stop.low_90 END,
           CASE WHEN stop.step IS NULL THEN last.high_90 ELSE stop.high_90 END,
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
                            final_fitness, stop_epoch, stop_seconds, stop_fitness, prediction, low_80, high_80, low_90,
                            high_90, fitness, error)
        SELECT $1, $2, $3, step, $4, epochs, seconds, last_fitness, best_fitness, final_fitness, stop_epoch,
               stop_seconds, stop_fitness, prediction, low_80, high_80, low_90, high_90, fitness, $5
        FROM final
        ON CONFLICT (job_id) DO UPDATE
        SET fence = excluded.fence, step = excluded.step, outcome = excluded.outcome, epochs = excluded.epochs,
            seconds = excluded.seconds, last_fitness = excluded.last_fitness, best_fitness = excluded.best_fitness,
            final_fitness = excluded.final_fitness, stop_epoch = excluded.stop_epoch,
            stop_seconds = excluded.stop_seconds, stop_fitness = excluded.stop_fitness,
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

UPDATE result
SET prediction = stop_prediction, low_80 = stop_low_80, high_80 = stop_high_80, low_90 = stop_low_90, high_90 = stop_high_90
WHERE stop_epoch IS NOT NULL;
ALTER TABLE result DROP COLUMN stop_prediction, DROP COLUMN stop_low_80, DROP COLUMN stop_high_80, DROP COLUMN stop_low_90,
    DROP COLUMN stop_high_90;

COMMENT ON COLUMN result.prediction IS 'Predicted fitness at stop_epoch, or at the last epoch if the predictor never decided to stop';
COMMENT ON COLUMN result.low_80 IS 'Lower end of the 80 % interval of the prediction';
COMMENT ON COLUMN result.high_80 IS 'Upper end of the 80 % interval of the prediction';
COMMENT ON COLUMN result.low_90 IS 'Lower end of the 90 % interval of the prediction';
COMMENT ON COLUMN result.high_90 IS 'Upper end of the 90 % interval of the prediction';

ALTER TABLE attempt DROP COLUMN repeated;
