-- Why: whoever may read the views, and nothing else, can make every report and export every curve. For this the views
-- lacked the claims of a job, the genomes, and the version of the schema.

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

CREATE VIEW lineage AS
SELECT s.name AS search, a.search_id, a.id AS architecture_id, a.genome, a.parents, a.created_at
FROM architecture a
LEFT JOIN search s ON s.id = a.search_id;
COMMENT ON VIEW lineage IS 'One row per architecture: its genome and what it was bred from; what else is known of it stands in job_outcome';
COMMENT ON COLUMN lineage.search IS 'Name of the search';
COMMENT ON COLUMN lineage.search_id IS 'Number of the search';
COMMENT ON COLUMN lineage.architecture_id IS 'Number of the architecture';
COMMENT ON COLUMN lineage.genome IS 'The genome as JSON; of imported curves what the file said';
COMMENT ON COLUMN lineage.parents IS 'Numbers of the architectures that it was bred from';
COMMENT ON COLUMN lineage.created_at IS 'When it was proposed';

-- From the observations, not from the jobs: a query by job that asks for no column of the search reads no other table.
CREATE OR REPLACE VIEW learning_curve AS
SELECT s.name AS search, j.search_id, o.job_id, o.step, o.epoch, o.val_acc, o.train_acc, o.val_loss, o.train_loss,
       o.seconds, o.prediction, o.low_80, o.high_80, o.low_90, o.high_90, o.decision, o.reason, o.calibration,
       o.recorded_at
FROM observation o
LEFT JOIN job j ON j.id = o.job_id
LEFT JOIN search s ON s.id = j.search_id;

-- The search stands in every join, so that a report on one search reads the architectures of no other.
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
LEFT JOIN architecture a ON a.id = j.architecture_id AND a.search_id = j.search_id
LEFT JOIN search s ON s.id = j.search_id;

-- Every reader asks for the best networks, and no index gave them.
CREATE INDEX result_best ON result (search_id, fitness DESC NULLS LAST, job_id);
COMMENT ON INDEX result_best IS 'The results of a search, the best first';

-- LEFT, so that a query that asks for none of the counts does not count.
CREATE OR REPLACE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at
FROM search s
LEFT JOIN LATERAL (
    SELECT count(*) AS jobs,
           count(*) FILTER (WHERE j.state IN ('ready', 'waiting', 'paused')) AS waiting,
           count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'terminated') AS terminated,
           count(*) FILTER (WHERE j.state = 'completed') AS completed,
           count(*) FILTER (WHERE j.state = 'diverged') AS diverged,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM job j WHERE j.search_id = s.id
) c ON true;

CREATE VIEW applied_migration AS
SELECT version::text AS version, run_on AS migrated_at FROM __diesel_schema_migrations;
COMMENT ON VIEW applied_migration IS 'One row per migration that has run: what a peng compares with its own before it reads';
COMMENT ON COLUMN applied_migration.version IS 'Version of the migration';
COMMENT ON COLUMN applied_migration.migrated_at IS 'When it ran, in UTC';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') THEN
        GRANT SELECT ON job_attempt, lineage, applied_migration TO peng_read;
    ELSE
        RAISE NOTICE 'there is no role peng_read. A superuser can make it: CREATE ROLE peng_read NOLOGIN; GRANT SELECT ON job_outcome, search_summary, learning_curve, predicted_rank, savings, prediction_calibration, pareto_front, throughput, worker_use, job_attempt, lineage, applied_migration TO peng_read;';
    END IF;
END
$$;
