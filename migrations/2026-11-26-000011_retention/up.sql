-- Why: nothing was ever deleted. Searches can be archived and deleted, logs, events and workers of long ago can go, and a
-- checkpoint that is no longer needed stays for a while, so that the database may be restored to a state that needed it.
-- Only additions. The indexes are built while writers of their tables wait, about a second for each million of rows; whoever
-- cannot bear that makes them first, CONCURRENTLY, under the same names.

ALTER TABLE search
    ADD COLUMN archived_at    timestamptz,
    ADD COLUMN deleting_since timestamptz,
    -- Whatever its version, no command brings a search back of which a part has gone.
    ADD CONSTRAINT search_deleting_check CHECK (deleting_since IS NULL OR state IN ('finished', 'cancelled'));
COMMENT ON COLUMN search.archived_at IS 'When it was put away: it is not listed, and pruning leaves it alone; null while it is not';
COMMENT ON COLUMN search.deleting_since IS 'When its deletion began, which goes in batches: nothing revives it any more; null for all others';

-- Without it each deleted job reads the whole history of endings.
CREATE INDEX IF NOT EXISTS finish_job ON finish (job_id);
COMMENT ON INDEX finish_job IS 'The endings of a job';
CREATE INDEX IF NOT EXISTS attempt_log ON attempt (ended_at) WHERE log IS NOT NULL;
COMMENT ON INDEX attempt_log IS 'Attempts that keep lines of their log, the oldest first';
CREATE INDEX IF NOT EXISTS event_at ON event (at);
COMMENT ON INDEX event_at IS 'Events, the oldest first';

CREATE TABLE discarded_checkpoint (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id       bigint NOT NULL,
    fence        bigint NOT NULL,
    bytes        bigint NOT NULL CHECK (bytes >= 0),
    discarded_at timestamptz NOT NULL DEFAULT now(),
    taken_at     timestamptz,
    step         integer NOT NULL CHECK (step > 0),
    key          text,
    uri          text NOT NULL,
    sha256       text NOT NULL CHECK (length(sha256) = 64)
);
CREATE INDEX discarded_checkpoint_job ON discarded_checkpoint (job_id, step);
CREATE INDEX discarded_checkpoint_at ON discarded_checkpoint (discarded_at);
COMMENT ON TABLE discarded_checkpoint IS 'Checkpoints that are no longer needed and whose objects still exist: for two days, in case the database is restored to a state that needs them. They outlive their jobs';
COMMENT ON COLUMN discarded_checkpoint.id IS 'Number of the row';
COMMENT ON COLUMN discarded_checkpoint.job_id IS 'The job, which may have been deleted';
COMMENT ON COLUMN discarded_checkpoint.fence IS 'The attempt that wrote it';
COMMENT ON COLUMN discarded_checkpoint.bytes IS 'Size';
COMMENT ON COLUMN discarded_checkpoint.discarded_at IS 'Since when nothing points to it';
COMMENT ON COLUMN discarded_checkpoint.taken_at IS 'When somebody last set out to delete its object; after an hour another one may';
COMMENT ON COLUMN discarded_checkpoint.step IS 'The evaluation interval after which it was taken';
COMMENT ON COLUMN discarded_checkpoint.key IS 'Its name within the store; null before version 0.2';
COMMENT ON COLUMN discarded_checkpoint.uri IS 'Its whole URL as its writer reached the store';
COMMENT ON COLUMN discarded_checkpoint.sha256 IS 'SHA-256 of its content, verified on restore';
