-- Why: what people may build on. These views are a public interface: `peng report`, psql, Grafana and notebooks read
-- them, and the role `peng_read` sees them and nothing else. A column is added, never renamed or given a new meaning.
-- Each view can be restricted by search or search_id, and the restriction reaches the tables. Joins on primary keys
-- are LEFT joins, so that Postgres leaves out the tables whose columns a query does not ask for.

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
LEFT JOIN architecture a ON a.id = j.architecture_id
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

CREATE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at
FROM search s
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs,
           count(*) FILTER (WHERE j.state IN ('ready', 'waiting', 'paused')) AS waiting,
           count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'terminated') AS terminated,
           count(*) FILTER (WHERE j.state = 'completed') AS completed,
           count(*) FILTER (WHERE j.state = 'diverged') AS diverged,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM job j WHERE j.search_id = s.id
) c;
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

CREATE VIEW learning_curve AS
SELECT s.name AS search, j.search_id, o.job_id, o.step, o.epoch, o.val_acc, o.train_acc, o.val_loss, o.train_loss,
       o.seconds, o.prediction, o.low_80, o.high_80, o.low_90, o.high_90, o.decision, o.reason, o.calibration,
       o.recorded_at
FROM job j
JOIN observation o ON o.job_id = j.id
LEFT JOIN search s ON s.id = j.search_id;
COMMENT ON VIEW learning_curve IS 'Learning curves: one row per job and evaluation interval, with what the predictor said';
COMMENT ON COLUMN learning_curve.search IS 'Name of the search';
COMMENT ON COLUMN learning_curve.search_id IS 'Number of the search';
COMMENT ON COLUMN learning_curve.job_id IS 'Number of the job';
COMMENT ON COLUMN learning_curve.step IS 'Number of the evaluation interval, from 1';
COMMENT ON COLUMN learning_curve.epoch IS 'Epochs trained';
COMMENT ON COLUMN learning_curve.val_acc IS 'Validation accuracy in per cent';
COMMENT ON COLUMN learning_curve.train_acc IS 'Training accuracy of the interval in per cent';
COMMENT ON COLUMN learning_curve.val_loss IS 'Mean validation loss';
COMMENT ON COLUMN learning_curve.train_loss IS 'Mean training loss of the interval';
COMMENT ON COLUMN learning_curve.seconds IS 'Seconds that the interval took';
COMMENT ON COLUMN learning_curve.prediction IS 'Predicted fitness at max_epochs in per cent';
COMMENT ON COLUMN learning_curve.low_80 IS 'Lower end of the 80 % interval of the prediction';
COMMENT ON COLUMN learning_curve.high_80 IS 'Upper end of the 80 % interval of the prediction';
COMMENT ON COLUMN learning_curve.low_90 IS 'Lower end of the 90 % interval of the prediction';
COMMENT ON COLUMN learning_curve.high_90 IS 'Upper end of the 90 % interval of the prediction';
COMMENT ON COLUMN learning_curve.decision IS 'continue or stop, obeyed or not; null where no predictor was asked';
COMMENT ON COLUMN learning_curve.reason IS 'Why, in words';
COMMENT ON COLUMN learning_curve.calibration IS 'Ordinal of the last finish of the search that the engine knew of';
COMMENT ON COLUMN learning_curve.recorded_at IS 'When it was written';

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

CREATE VIEW savings AS
SELECT s.name AS search, r.search_id,
       count(*) AS jobs,
       count(*) FILTER (WHERE r.outcome = 'terminated') AS terminated,
       count(r.stop_epoch) AS converged,
       count(*) FILTER (WHERE r.stop_epoch < s.max_epochs) AS stops,
       avg(r.stop_epoch) AS mean_stop_epoch,
       sum(r.epochs) AS epochs_trained,
       sum(least(r.stop_epoch, r.epochs)) AS epochs_if_obeyed,
       count(*) * s.max_epochs AS epochs_full,
       100 * (1 - sum(r.epochs) / (count(*) * s.max_epochs)) AS epochs_saved_percent,
       100 * (1 - sum(least(r.stop_epoch, r.epochs)) / (count(*) * s.max_epochs)) AS would_have_saved_percent,
       sum(r.seconds) AS seconds_trained
FROM result r
JOIN search s ON s.id = r.search_id
WHERE r.outcome IN ('terminated', 'completed')
GROUP BY s.id, r.search_id;
COMMENT ON VIEW savings IS 'One row per search: epochs trained and saved, over the jobs that were terminated or completed';
COMMENT ON COLUMN savings.search IS 'Name of the search';
COMMENT ON COLUMN savings.search_id IS 'Number of the search';
COMMENT ON COLUMN savings.jobs IS 'Jobs that were terminated or completed; all figures are over these';
COMMENT ON COLUMN savings.terminated IS 'Jobs stopped by the predictor';
COMMENT ON COLUMN savings.converged IS 'Jobs with a decision to stop, obeyed or not, the last epoch included';
COMMENT ON COLUMN savings.stops IS 'Jobs with a decision to stop before max_epochs, obeyed or not';
COMMENT ON COLUMN savings.mean_stop_epoch IS 'Mean epoch of the first decision to stop';
COMMENT ON COLUMN savings.epochs_trained IS 'Epochs trained';
COMMENT ON COLUMN savings.epochs_if_obeyed IS 'Epochs that would have been trained had each decision been obeyed';
COMMENT ON COLUMN savings.epochs_full IS 'Epochs of training all of them to the end';
COMMENT ON COLUMN savings.epochs_saved_percent IS 'Epochs saved, in per cent of epochs_full';
COMMENT ON COLUMN savings.would_have_saved_percent IS 'Epochs that obeying each decision would have saved, in per cent of epochs_full';
COMMENT ON COLUMN savings.seconds_trained IS 'Seconds trained and validated';

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
       avg(high_90 - low_90) AS width_90
FROM job_outcome
WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL
GROUP BY search, search_id, stop_epoch;
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

CREATE VIEW throughput AS
SELECT s.name AS search, r.search_id, date_trunc('hour', r.finished_at) AS hour,
       count(*) AS jobs,
       count(*) FILTER (WHERE r.outcome IN ('terminated', 'completed')) AS networks,
       sum(r.epochs) AS epochs,
       sum(r.seconds) AS seconds
FROM result r
JOIN search s ON s.id = r.search_id
GROUP BY s.name, r.search_id, date_trunc('hour', r.finished_at);
COMMENT ON VIEW throughput IS 'What ended in each hour, by search';
COMMENT ON COLUMN throughput.search IS 'Name of the search';
COMMENT ON COLUMN throughput.search_id IS 'Number of the search';
COMMENT ON COLUMN throughput.hour IS 'Begin of the hour';
COMMENT ON COLUMN throughput.jobs IS 'Jobs that ended in it, however';
COMMENT ON COLUMN throughput.networks IS 'Of these, terminated or completed';
COMMENT ON COLUMN throughput.epochs IS 'Epochs that the jobs trained, in this hour or before';
COMMENT ON COLUMN throughput.seconds IS 'Seconds that the jobs trained, in this hour or before';

CREATE VIEW worker_use AS
SELECT s.name AS search, u.search_id, w.id AS worker_id, w.host, w.pid, w.device, w.class, w.version, w.state,
       w.started_at, w.last_seen_at, u.attempts, u.finished, u.released, u.retried, u.lost, u.running,
       extract(epoch FROM coalesce(w.stopped_at, w.last_seen_at) - w.started_at)::double precision AS present_seconds,
       u.busy_seconds
FROM (
    SELECT j.search_id, t.worker_id,
           count(*) AS attempts,
           count(*) FILTER (WHERE t."end" = 'finished') AS finished,
           count(*) FILTER (WHERE t."end" = 'released') AS released,
           count(*) FILTER (WHERE t."end" = 'retried') AS retried,
           count(*) FILTER (WHERE t."end" = 'lost') AS lost,
           count(*) FILTER (WHERE t."end" IS NULL) AS running,
           sum(greatest(extract(epoch FROM CASE WHEN t."end" IS NULL OR t."end" = 'lost'
                                                THEN least(w.last_seen_at, coalesce(t.ended_at, w.last_seen_at))
                                                ELSE t.ended_at END - t.started_at), 0))::double precision AS busy_seconds
    FROM job j
    JOIN attempt t ON t.job_id = j.id
    JOIN worker w ON w.id = t.worker_id
    GROUP BY j.search_id, t.worker_id
) u
JOIN worker w ON w.id = u.worker_id
LEFT JOIN search s ON s.id = u.search_id;
COMMENT ON VIEW worker_use IS 'One row per search and worker process that claimed jobs of it';
COMMENT ON COLUMN worker_use.search IS 'Name of the search';
COMMENT ON COLUMN worker_use.search_id IS 'Number of the search';
COMMENT ON COLUMN worker_use.worker_id IS 'The worker process';
COMMENT ON COLUMN worker_use.host IS 'Host name';
COMMENT ON COLUMN worker_use.pid IS 'Process id on that host';
COMMENT ON COLUMN worker_use.device IS 'What it trains on';
COMMENT ON COLUMN worker_use.class IS 'Class of jobs that it claims';
COMMENT ON COLUMN worker_use.version IS 'Version of peng';
COMMENT ON COLUMN worker_use.state IS 'running, draining or stopped';
COMMENT ON COLUMN worker_use.started_at IS 'When it registered';
COMMENT ON COLUMN worker_use.last_seen_at IS 'When it last renewed or polled';
COMMENT ON COLUMN worker_use.attempts IS 'Claims of jobs of the search';
COMMENT ON COLUMN worker_use.finished IS 'Attempts that ended with an outcome';
COMMENT ON COLUMN worker_use.released IS 'Attempts given back in good order';
COMMENT ON COLUMN worker_use.retried IS 'Attempts ended by a passing error, counted as crashes';
COMMENT ON COLUMN worker_use.lost IS 'Attempts whose lease expired, counted as crashes';
COMMENT ON COLUMN worker_use.running IS 'Attempts under way';
COMMENT ON COLUMN worker_use.present_seconds IS 'Seconds from its registration to when it left or was last seen';
COMMENT ON COLUMN worker_use.busy_seconds IS 'Seconds that it held jobs of the search; a lost attempt counts until the worker was last seen';

-- The role of readers. It belongs to the cluster, not to this database: it may be there already, another database may
-- be creating it at this moment, and whoever migrates may lack the right to create roles.
DO $$
DECLARE
    views constant text := 'job_outcome, search_summary, learning_curve, predicted_rank, savings, prediction_calibration, pareto_front, throughput, worker_use';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') THEN
        BEGIN
            CREATE ROLE peng_read NOLOGIN;
            COMMENT ON ROLE peng_read IS 'Reads the report views of peng, and nothing else';
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role peng_read is not created: % may not create roles. A superuser can do it: CREATE ROLE peng_read NOLOGIN; GRANT SELECT ON % TO peng_read;', current_user, views;
                RETURN;
        END;
    END IF;
    EXECUTE format('GRANT SELECT ON %s TO peng_read', views);
END
$$;
