DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') THEN
        GRANT SELECT ON job_outcome, search_summary, learning_curve, predicted_rank, savings, prediction_calibration,
            pareto_front, throughput, worker_use, job_attempt, lineage, applied_migration TO peng_read;
    END IF;
END
$$;
ALTER FUNCTION number_endings(bigint) SECURITY INVOKER RESET search_path;

-- A role stays where a copy of this database uses it, too, and where whoever reverts may not drop it; its rights here go.
DO $$
DECLARE
    own text;
BEGIN
    FOR own IN
        SELECT rolname FROM pg_roles, identity
        WHERE rolname IN ('peng_submit_' || left(id::text, 8), 'peng_worker_' || left(id::text, 8), 'peng_read_' || left(id::text, 8))
    LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), own);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', current_schema(), own);
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), own);
        BEGIN
            EXECUTE format('DROP ROLE %I', own);
        EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            RAISE NOTICE 'role % stays: %', own, SQLERRM;
        END;
    END LOOP;
END
$$;
