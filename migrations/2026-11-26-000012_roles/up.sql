-- Why: every worker and everybody who submits connected as the owner of the tables, and could drop them; and the one role of
-- readers belonged to all databases of a cluster at once. From here on a database has three roles of its own: peng_submit_ID,
-- peng_worker_ID and peng_read_ID, where ID are the first eight digits of its identity. `peng db migrate` makes them and grants
-- what each needs (crates/store/src/sql/roles.sql), each time that it runs; this migration does what is done once.

-- Readers read endings too, which numbers those that are new. It writes nothing else and is safe in anybody's hands.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION number_endings(bigint) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;

-- The role of the cluster goes on where it may be in use. A database that is new has its own readers.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') AND NOT EXISTS (SELECT FROM search) THEN
        REVOKE SELECT ON job_outcome, search_summary, learning_curve, predicted_rank, savings, prediction_calibration,
            pareto_front, throughput, worker_use, job_attempt, lineage, applied_migration FROM peng_read;
    END IF;
END
$$;
