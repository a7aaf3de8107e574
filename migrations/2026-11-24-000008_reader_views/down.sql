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
