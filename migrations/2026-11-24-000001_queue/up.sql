-- Why: the queue of architecture jobs, the rights of workers to them (leases and fences), and all that a training
-- leaves behind: observations, checkpoints, results, attempts, events. The hot tables (job, lease, observation) are
-- narrow, hold no jsonb, and are vacuumed by fixed thresholds, so that claims stay flat from 1,000 to 1,000,000 jobs.

CREATE TYPE search_state AS ENUM ('running', 'paused', 'finished', 'cancelled');
COMMENT ON TYPE search_state IS 'running: its jobs are claimed; paused: no job is claimed; finished: every job has an outcome and the strategy proposes nothing more; cancelled: ended by a person';

CREATE TYPE job_state AS ENUM ('ready', 'running', 'waiting', 'paused', 'terminated', 'completed', 'diverged', 'failed', 'cancelled');
COMMENT ON TYPE job_state IS 'ready: claimable; running: leased to a worker; waiting: backs off until run_after; paused: its search is paused; the others are outcomes';

CREATE TYPE job_mode AS ENUM ('terminate', 'observe', 'audit', 'promoted');
COMMENT ON TYPE job_mode IS 'terminate: decisions of the predictor are obeyed; observe: the search only records them; audit: drawn to be trained to the end; promoted: a terminated job resumed to the full budget';

CREATE TYPE outcome AS ENUM ('terminated', 'completed', 'diverged', 'failed', 'cancelled');
COMMENT ON TYPE outcome IS 'terminated: by the predictor; completed: trained to max_epochs; diverged: non-finite loss; failed: an error; cancelled: by a person';

CREATE TYPE decision AS ENUM ('continue', 'stop');
COMMENT ON TYPE decision IS 'what the predictor decided after an observation, obeyed or not';

CREATE TYPE attempt_end AS ENUM ('finished', 'released', 'retried', 'lost');
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker; retried: a passing error, counted as a crash; lost: its lease expired';

CREATE TYPE worker_state AS ENUM ('running', 'draining', 'stopped');
COMMENT ON TYPE worker_state IS 'running: claims jobs; draining: finishes what it has and leaves; stopped: has left';

CREATE TABLE search (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    state       search_state NOT NULL DEFAULT 'running',
    spec        jsonb NOT NULL,
    spec_hash   text NOT NULL CHECK (length(spec_hash) = 64),
    engine      text NOT NULL,
    max_epochs  double precision NOT NULL CHECK (max_epochs > 0),
    "interval"  double precision NOT NULL CHECK ("interval" > 0),
    budget      integer NOT NULL CHECK (budget > 0),
    version     text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((state IN ('finished', 'cancelled')) = (finished_at IS NOT NULL))
);
COMMENT ON TABLE search IS 'One run of a strategy over a search space on a data set, with one predictor configuration';
COMMENT ON COLUMN search.id IS 'Number of the search';
COMMENT ON COLUMN search.name IS 'Name that a person gave it; unique';
COMMENT ON COLUMN search.state IS 'Whether its jobs may be claimed';
COMMENT ON COLUMN search.spec IS 'The full effective specification, defaults filled in';
COMMENT ON COLUMN search.spec_hash IS 'SHA-256 of the effective specification without its name, in hexadecimal';
COMMENT ON COLUMN search.engine IS 'Engine of the predictor, as in the specification';
COMMENT ON COLUMN search.max_epochs IS 'Epochs of a full training; the target of the predictor (e_pred)';
COMMENT ON COLUMN search."interval" IS 'Evaluation interval E in epochs';
COMMENT ON COLUMN search.budget IS 'Jobs that the strategy may propose';
COMMENT ON COLUMN search.version IS 'Version of peng that submitted it';
COMMENT ON COLUMN search.created_at IS 'When it was submitted';
COMMENT ON COLUMN search.finished_at IS 'When it finished or was cancelled';

CREATE TABLE architecture (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    search_id  bigint NOT NULL REFERENCES search ON DELETE CASCADE,
    hash       text NOT NULL,
    genome     jsonb NOT NULL,
    summary    text NOT NULL,
    parameters bigint NOT NULL CHECK (parameters >= 0),
    flops      bigint NOT NULL CHECK (flops >= 0),
    generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
    parents    bigint[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (search_id, hash)
);
COMMENT ON TABLE architecture IS 'A point of the search space that a search has proposed';
COMMENT ON COLUMN architecture.id IS 'Number of the architecture; the order of ids within a search is the order of proposal';
COMMENT ON COLUMN architecture.search_id IS 'The search that proposed it';
COMMENT ON COLUMN architecture.hash IS 'Canonical hash of the genome; a search holds each architecture once';
COMMENT ON COLUMN architecture.genome IS 'The genome, as crate genome writes it';
COMMENT ON COLUMN architecture.summary IS 'One-line human reading of the genome';
COMMENT ON COLUMN architecture.parameters IS 'Trainable parameters';
COMMENT ON COLUMN architecture.flops IS 'Floating-point operations of one forward pass of one image';
COMMENT ON COLUMN architecture.generation IS 'Generation of the strategy; 0 for the first proposals';
COMMENT ON COLUMN architecture.parents IS 'Architectures that it was bred from';
COMMENT ON COLUMN architecture.created_at IS 'When it was proposed';

CREATE TABLE job (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    search_id       bigint NOT NULL REFERENCES search ON DELETE CASCADE,
    architecture_id bigint NOT NULL REFERENCES architecture ON DELETE CASCADE,
    seed            bigint NOT NULL,
    fence           bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
    run_after       timestamptz,
    state           job_state NOT NULL DEFAULT 'ready',
    mode            job_mode NOT NULL,
    priority        smallint NOT NULL DEFAULT 0,
    attempts        smallint NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    crashes         smallint NOT NULL DEFAULT 0 CHECK (crashes BETWEEN 0 AND 5),
    class           text NOT NULL DEFAULT 'default',
    UNIQUE (architecture_id, seed),
    CHECK ((state = 'waiting') = (run_after IS NOT NULL))
) WITH (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);
-- Equality first: no ineligible row ever stands before an eligible one.
CREATE INDEX job_ready ON job (class, priority DESC, id) WHERE state = 'ready';
CREATE INDEX job_waiting ON job (run_after) WHERE state = 'waiting';
CREATE INDEX job_search ON job (search_id, id);
COMMENT ON TABLE job IS 'The training of one architecture with one seed, up to max_epochs';
COMMENT ON COLUMN job.id IS 'Number of the job';
COMMENT ON COLUMN job.search_id IS 'Its search';
COMMENT ON COLUMN job.architecture_id IS 'What it trains';
COMMENT ON COLUMN job.seed IS 'Seed of weights, data order and augmentation';
COMMENT ON COLUMN job.fence IS 'Number of the newest attempt; it only grows, and every write of a worker carries it';
COMMENT ON COLUMN job.run_after IS 'When a waiting job becomes ready again';
COMMENT ON COLUMN job.state IS 'Where it stands; ready and running jobs are the queue';
COMMENT ON COLUMN job.mode IS 'Whether decisions of the predictor are obeyed';
COMMENT ON COLUMN job.priority IS 'Higher is claimed first';
COMMENT ON COLUMN job.attempts IS 'How often it was claimed';
COMMENT ON COLUMN job.crashes IS 'Attempts that were lost or ended by a passing error; the fifth fails the job';
COMMENT ON COLUMN job.class IS 'Class of workers that may claim it';

CREATE TABLE worker (
    id           uuid PRIMARY KEY,
    host         text NOT NULL,
    pid          integer NOT NULL,
    class        text NOT NULL,
    device       text NOT NULL,
    version      text NOT NULL,
    state        worker_state NOT NULL DEFAULT 'running',
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    stopped_at   timestamptz,
    CHECK ((state = 'stopped') = (stopped_at IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
COMMENT ON TABLE worker IS 'One row per worker process that ever ran';
COMMENT ON COLUMN worker.id IS 'Drawn anew by each process';
COMMENT ON COLUMN worker.host IS 'Host name';
COMMENT ON COLUMN worker.pid IS 'Process id on that host';
COMMENT ON COLUMN worker.class IS 'Class of jobs that it claims';
COMMENT ON COLUMN worker.device IS 'What it trains on: cpu, cuda:0, or the program of an exec worker';
COMMENT ON COLUMN worker.version IS 'Version of peng';
COMMENT ON COLUMN worker.state IS 'Whether it claims jobs';
COMMENT ON COLUMN worker.started_at IS 'When it registered';
COMMENT ON COLUMN worker.last_seen_at IS 'When it last renewed or polled';
COMMENT ON COLUMN worker.stopped_at IS 'When it left in good order';

CREATE TABLE lease (
    job_id     bigint PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    fence      bigint NOT NULL,
    worker_id  uuid NOT NULL REFERENCES worker,
    ttl        interval NOT NULL CHECK (ttl > '0'),
    expires_at timestamptz NOT NULL,
    cancel     boolean NOT NULL DEFAULT false
) WITH (
    -- Renewals change no indexed column: they stay on their page (HOT).
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
COMMENT ON TABLE lease IS 'The time-limited right of a worker to a running job; every fenced write goes through this row';
COMMENT ON COLUMN lease.job_id IS 'The running job';
COMMENT ON COLUMN lease.fence IS 'The attempt that holds it';
COMMENT ON COLUMN lease.worker_id IS 'The worker that holds it';
COMMENT ON COLUMN lease.ttl IS 'How long a renewal lasts';
COMMENT ON COLUMN lease.expires_at IS 'When any worker may take the job from this one';
COMMENT ON COLUMN lease.cancel IS 'A person asked for the job to be cancelled; its worker sees it with the next renewal';

CREATE TABLE observation (
    job_id      bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    fence       bigint NOT NULL,
    epoch       double precision NOT NULL CHECK (epoch > 0),
    val_acc     double precision NOT NULL CHECK (val_acc BETWEEN 0 AND 100),
    train_acc   double precision CHECK (train_acc BETWEEN 0 AND 100),
    val_loss    double precision,
    train_loss  double precision,
    seconds     double precision CHECK (seconds >= 0),
    prediction  double precision,
    low_80      double precision,
    high_80     double precision,
    low_90      double precision,
    high_90     double precision,
    calibration bigint,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    step        integer NOT NULL CHECK (step > 0),
    decision    decision,
    reason      text,
    PRIMARY KEY (job_id, step) INCLUDE (val_acc)
) WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_analyze_scale_factor = 0.02);
COMMENT ON TABLE observation IS 'Learning curves: one point per job and evaluation interval; append-only';
COMMENT ON COLUMN observation.job_id IS 'The job';
COMMENT ON COLUMN observation.fence IS 'The attempt that wrote it';
COMMENT ON COLUMN observation.epoch IS 'Epochs trained, step times interval';
COMMENT ON COLUMN observation.val_acc IS 'Validation accuracy in per cent: the fitness at this epoch';
COMMENT ON COLUMN observation.train_acc IS 'Training accuracy of the interval in per cent';
COMMENT ON COLUMN observation.val_loss IS 'Mean validation loss';
COMMENT ON COLUMN observation.train_loss IS 'Mean training loss of the interval';
COMMENT ON COLUMN observation.seconds IS 'Seconds that training and validating the interval took';
COMMENT ON COLUMN observation.prediction IS 'Predicted fitness at max_epochs in per cent';
COMMENT ON COLUMN observation.low_80 IS 'Lower end of the 80 % interval of the prediction';
COMMENT ON COLUMN observation.high_80 IS 'Upper end of the 80 % interval of the prediction';
COMMENT ON COLUMN observation.low_90 IS 'Lower end of the 90 % interval of the prediction';
COMMENT ON COLUMN observation.high_90 IS 'Upper end of the 90 % interval of the prediction';
COMMENT ON COLUMN observation.calibration IS 'Ordinal of the last finish of the search that the engine knew of; the decision can be recomputed from it';
COMMENT ON COLUMN observation.recorded_at IS 'When it was written';
COMMENT ON COLUMN observation.step IS 'Number of the evaluation interval, from 1';
COMMENT ON COLUMN observation.decision IS 'What the predictor decided; null where no predictor was asked';
COMMENT ON COLUMN observation.reason IS 'Why, in words';

CREATE TABLE checkpoint (
    job_id     bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    step       integer NOT NULL CHECK (step > 0),
    fence      bigint NOT NULL,
    uri        text NOT NULL,
    bytes      bigint NOT NULL CHECK (bytes >= 0),
    sha256     text NOT NULL CHECK (length(sha256) = 64),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, step)
);
COMMENT ON TABLE checkpoint IS 'Pointers to durable checkpoints; a row exists only after its object is durable';
COMMENT ON COLUMN checkpoint.job_id IS 'The job';
COMMENT ON COLUMN checkpoint.step IS 'The evaluation interval after which it was taken';
COMMENT ON COLUMN checkpoint.fence IS 'The attempt that wrote it';
COMMENT ON COLUMN checkpoint.uri IS 'Where it is: URL of the checkpoint store and the key in it';
COMMENT ON COLUMN checkpoint.bytes IS 'Size';
COMMENT ON COLUMN checkpoint.sha256 IS 'SHA-256 of its content, verified on restore';
COMMENT ON COLUMN checkpoint.created_at IS 'When it was committed';

CREATE TABLE result (
    job_id        bigint PRIMARY KEY REFERENCES job ON DELETE CASCADE,
    search_id     bigint NOT NULL REFERENCES search ON DELETE CASCADE,
    fence         bigint NOT NULL,
    step          integer NOT NULL DEFAULT 0 CHECK (step >= 0),
    outcome       outcome NOT NULL,
    epochs        double precision NOT NULL DEFAULT 0 CHECK (epochs >= 0),
    seconds       double precision NOT NULL DEFAULT 0 CHECK (seconds >= 0),
    last_fitness  double precision CHECK (last_fitness BETWEEN 0 AND 100),
    best_fitness  double precision CHECK (best_fitness BETWEEN 0 AND 100),
    final_fitness double precision CHECK (final_fitness BETWEEN 0 AND 100),
    stop_epoch    double precision CHECK (stop_epoch > 0),
    stop_seconds  double precision CHECK (stop_seconds >= 0),
    stop_fitness  double precision,
    prediction    double precision,
    low_80        double precision,
    high_80       double precision,
    low_90        double precision,
    high_90       double precision,
    fitness       double precision,
    error         text,
    finished_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((outcome = 'completed') = (final_fitness IS NOT NULL)),
    CHECK ((outcome = 'failed') = (error IS NOT NULL)),
    CHECK (outcome <> 'terminated' OR stop_epoch IS NOT NULL)
) WITH (fillfactor = 90);
CREATE INDEX result_search ON result (search_id) INCLUDE (outcome, fitness);
COMMENT ON TABLE result IS 'What came of each finished job: one row per job, so that no report scans observations for it';
COMMENT ON COLUMN result.job_id IS 'The job';
COMMENT ON COLUMN result.search_id IS 'Its search';
COMMENT ON COLUMN result.fence IS 'The attempt that finished it';
COMMENT ON COLUMN result.step IS 'Last evaluation interval';
COMMENT ON COLUMN result.outcome IS 'How it ended';
COMMENT ON COLUMN result.epochs IS 'Epochs trained';
COMMENT ON COLUMN result.seconds IS 'Seconds trained and validated';
COMMENT ON COLUMN result.last_fitness IS 'Last observed validation accuracy in per cent';
COMMENT ON COLUMN result.best_fitness IS 'Best observed validation accuracy in per cent';
COMMENT ON COLUMN result.final_fitness IS 'Ground truth: validation accuracy at max_epochs, where it was trained to the end';
COMMENT ON COLUMN result.stop_epoch IS 'Epoch of the first decision to stop, obeyed or not';
COMMENT ON COLUMN result.stop_seconds IS 'Seconds trained up to stop_epoch';
COMMENT ON COLUMN result.stop_fitness IS 'Observed validation accuracy at stop_epoch: the baseline of the prediction';
COMMENT ON COLUMN result.prediction IS 'Predicted fitness at stop_epoch, or at the last epoch if the predictor never decided to stop';
COMMENT ON COLUMN result.low_80 IS 'Lower end of the 80 % interval of the prediction';
COMMENT ON COLUMN result.high_80 IS 'Upper end of the 80 % interval of the prediction';
COMMENT ON COLUMN result.low_90 IS 'Lower end of the 90 % interval of the prediction';
COMMENT ON COLUMN result.high_90 IS 'Upper end of the 90 % interval of the prediction';
COMMENT ON COLUMN result.fitness IS 'What the search ranks by: final_fitness where known, else the prediction, else the best observed';
COMMENT ON COLUMN result.error IS 'Last error of a failed job';
COMMENT ON COLUMN result.finished_at IS 'When it ended';

CREATE TABLE finish (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    search_id   bigint NOT NULL REFERENCES search ON DELETE CASCADE,
    job_id      bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    ordinal     bigint,
    fitness     double precision,
    finished_at timestamptz NOT NULL DEFAULT now(),
    step        integer NOT NULL,
    outcome     outcome NOT NULL,
    UNIQUE (search_id, ordinal)
);
CREATE INDEX finish_unnumbered ON finish (search_id) WHERE ordinal IS NULL;
COMMENT ON TABLE finish IS 'History of endings, append-only: a promoted job ends twice. What an engine knew when it decided is the finishes up to an ordinal';
COMMENT ON COLUMN finish.id IS 'Number of the row';
COMMENT ON COLUMN finish.search_id IS 'The search';
COMMENT ON COLUMN finish.job_id IS 'The job that ended';
COMMENT ON COLUMN finish.ordinal IS 'Place in the order of endings of the search, from 1; given after commit, by the next reader, so that finishing takes no lock';
COMMENT ON COLUMN finish.fitness IS 'Fitness that the ending gave: measured if completed, predicted if terminated';
COMMENT ON COLUMN finish.finished_at IS 'When it ended';
COMMENT ON COLUMN finish.step IS 'Last evaluation interval at that time';
COMMENT ON COLUMN finish.outcome IS 'How it ended';

CREATE TABLE attempt (
    job_id     bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    fence      bigint NOT NULL,
    worker_id  uuid NOT NULL REFERENCES worker,
    started_at timestamptz NOT NULL DEFAULT now(),
    first_step integer,
    ended_at   timestamptz,
    "end"      attempt_end,
    error      text,
    log        text,
    PRIMARY KEY (job_id, fence),
    CHECK ((ended_at IS NULL) = ("end" IS NULL))
);
CREATE INDEX attempt_worker ON attempt (worker_id);
COMMENT ON TABLE attempt IS 'One claim of a job by a worker';
COMMENT ON COLUMN attempt.job_id IS 'The job';
COMMENT ON COLUMN attempt.fence IS 'Fence of the claim';
COMMENT ON COLUMN attempt.worker_id IS 'The worker';
COMMENT ON COLUMN attempt.started_at IS 'When it was claimed';
COMMENT ON COLUMN attempt.first_step IS 'First evaluation interval that it trained: 1, or the one after the checkpoint that it restored';
COMMENT ON COLUMN attempt.ended_at IS 'When it ended; null while it runs';
COMMENT ON COLUMN attempt."end" IS 'How it ended';
COMMENT ON COLUMN attempt.error IS 'The error that ended it';
COMMENT ON COLUMN attempt.log IS 'Last lines of its log, kept with an error';

CREATE TABLE event (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    search_id bigint REFERENCES search ON DELETE CASCADE,
    job_id    bigint REFERENCES job ON DELETE CASCADE,
    worker_id uuid,
    kind      text NOT NULL,
    detail    text
);
CREATE INDEX event_job ON event (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX event_search ON event (search_id, id);
COMMENT ON TABLE event IS 'What happened, append-only: submissions, cancellations, promotions, lost leases';
COMMENT ON COLUMN event.id IS 'Number of the event';
COMMENT ON COLUMN event.at IS 'When';
COMMENT ON COLUMN event.search_id IS 'Which search, if one';
COMMENT ON COLUMN event.job_id IS 'Which job, if one';
COMMENT ON COLUMN event.worker_id IS 'Which worker, if one';
COMMENT ON COLUMN event.kind IS 'What: submitted, lost, failed, cancelled, promoted, paused, resumed, leases_extended and others';
COMMENT ON COLUMN event.detail IS 'In words';

CREATE TABLE maintenance (
    name    text PRIMARY KEY,
    last_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE maintenance IS 'When each service that any worker may run was last run by one';
COMMENT ON COLUMN maintenance.name IS 'Name of the service';
COMMENT ON COLUMN maintenance.last_at IS 'When it last ran; a long gap in reaping means that the database was away, and leases are extended first';
