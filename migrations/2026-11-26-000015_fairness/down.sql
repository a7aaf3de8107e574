-- A view loses a column only with the view.
DROP VIEW search_summary;
CREATE VIEW search_summary AS
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
DO $$
DECLARE
    own text;
BEGIN
    FOR own IN
        SELECT rolname FROM pg_roles, identity
        WHERE rolname IN ('peng_submit_' || left(id::text, 8), 'peng_worker_' || left(id::text, 8), 'peng_read_' || left(id::text, 8), 'peng_read')
    LOOP
        -- The readers of the cluster read where they did.
        IF own <> 'peng_read' OR has_table_privilege(own, 'job_outcome', 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON search_summary TO %I', own);
        END IF;
    END LOOP;
END
$$;
CREATE OR REPLACE FUNCTION finish_search_if_done(of_search bigint, seen bigint) RETURNS SETOF text
LANGUAGE plpgsql
AS $$
BEGIN
    -- Whoever adds jobs holds the search.
    PERFORM FROM search WHERE search.id = of_search AND search.state = 'running' FOR NO KEY UPDATE;
    RETURN QUERY
    UPDATE search SET state = 'finished', finished_at = now()
    WHERE search.id = of_search AND search.state = 'running' AND NOT EXISTS (
        SELECT FROM job WHERE job.search_id = of_search AND job.state IN ('ready', 'waiting', 'paused')
    ) AND NOT EXISTS (
        SELECT FROM lease WHERE (SELECT job.search_id FROM job WHERE job.id = lease.job_id) = of_search
    ) AND NOT EXISTS (
        SELECT FROM finish
        WHERE finish.search_id = of_search AND (finish.ordinal > seen OR finish.ordinal IS NULL AND seen IS NOT NULL)
    )
    RETURNING search.name;
END
$$;
DROP FUNCTION has_room(bigint);
DROP FUNCTION running_jobs(bigint);
DROP INDEX job_running;
DROP INDEX job_turn;
ALTER TABLE search DROP COLUMN submitted_by, DROP COLUMN max_running, DROP COLUMN priority;
