DROP INDEX search_running;
DROP TRIGGER job_ready_again ON job;
DROP FUNCTION announce_ready_job();
-- A view loses a column only with the view.
DROP VIEW applied_migration;
CREATE VIEW applied_migration AS
SELECT version::text AS version, run_on AS migrated_at FROM __diesel_schema_migrations;
COMMENT ON VIEW applied_migration IS 'One row per migration that has run: what a peng compares with its own before it reads';
COMMENT ON COLUMN applied_migration.version IS 'Version of the migration';
COMMENT ON COLUMN applied_migration.migrated_at IS 'When it ran, in UTC';
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') THEN
        GRANT SELECT ON applied_migration TO peng_read;
    END IF;
END
$$;
DROP TABLE compatibility;
