DROP VIEW applied_migration, lineage, job_attempt;
CREATE OR REPLACE VIEW learning_curve AS
SELECT s.name AS search, j.search_id, o.job_id, o.step, o.epoch, o.val_acc, o.train_acc, o.val_loss, o.train_loss,
       o.seconds, o.prediction, o.low_80, o.high_80, o.low_90, o.high_90, o.decision, o.reason, o.calibration,
       o.recorded_at
FROM job j
JOIN observation o ON o.job_id = j.id
LEFT JOIN search s ON s.id = j.search_id;
CREATE OR REPLACE VIEW search_summary AS
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
DROP INDEX result_best;
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
       CASE WHEN r.stop_epoch < s.max_epochs THEN coalesce(r.prediction, r.stop_fitness) ELSE r.final_fitness END AS believed_fitness,
       CASE WHEN r.stop_epoch < s.max_epochs THEN r.stop_fitness ELSE r.final_fitness END AS observed_fitness,
       least(r.stop_epoch, r.epochs) AS epochs_if_obeyed,
       r.error, r.finished_at
FROM job j
LEFT JOIN result r ON r.job_id = j.id AND r.search_id = j.search_id
LEFT JOIN architecture a ON a.id = j.architecture_id
LEFT JOIN search s ON s.id = j.search_id;
