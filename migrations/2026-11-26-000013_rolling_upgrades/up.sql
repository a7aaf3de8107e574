-- Why: while a fleet is upgraded, workers of two versions and command lines of more work with one database. Migrations add
-- (expand); what an older version still uses goes only with a later migration (contract), which raises the version below.
CREATE TABLE compatibility (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    oldest_schema text NOT NULL
);
COMMENT ON TABLE compatibility IS 'The one row that says which versions of peng may work with this database';
COMMENT ON COLUMN compatibility.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN compatibility.oldest_schema IS 'A peng whose own newest migration is older than this refuses the database; one that runs leaves';
INSERT INTO compatibility (oldest_schema) VALUES ('20261126000013');

CREATE OR REPLACE VIEW applied_migration AS
SELECT version::text AS version, run_on AS migrated_at, (SELECT oldest_schema FROM compatibility) AS oldest_schema
FROM __diesel_schema_migrations;
COMMENT ON COLUMN applied_migration.oldest_schema IS 'The same in each row: a peng whose own newest migration is older than this refuses the database';

-- Why: idle workers look seldom where they hear of what they can do, so every way to a ready job is told.
CREATE FUNCTION announce_ready_job() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_notify('peng_ready', NEW.class);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION announce_ready_job() IS 'Tells the workers of its class that a job can be claimed';
CREATE TRIGGER job_ready_again AFTER UPDATE ON job
    FOR EACH ROW WHEN (NEW.state = 'ready' AND OLD.state <> 'ready') EXECUTE FUNCTION announce_ready_job();
COMMENT ON TRIGGER job_ready_again ON job IS 'A job that was given back, reaped, resumed, retried, promoted or has waited long enough; new ones are told by whoever enqueues them';
CREATE INDEX search_running ON search (id) WHERE state = 'running';
COMMENT ON INDEX search_running IS 'Searches that go on, among all that there have been';
