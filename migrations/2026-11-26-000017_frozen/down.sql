-- Frozen jobs go on from their checkpoints when they are claimed again.
UPDATE job SET state = CASE WHEN search.state = 'paused' THEN 'paused' ELSE 'ready' END::job_state
FROM search WHERE search.id = job.search_id AND job.state = 'frozen';
UPDATE attempt SET "end" = 'released' WHERE "end" = 'frozen';
-- A view loses a column only with the view.
DROP VIEW search_summary;
CREATE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at, s.priority, s.max_running, s.submitted_by
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
COMMENT ON COLUMN search_summary.priority IS 'Searches of higher priority go first; among equals the one of which fewest jobs run';
COMMENT ON COLUMN search_summary.max_running IS 'So many of its jobs may run at once; null for no limit';
COMMENT ON COLUMN search_summary.submitted_by IS 'Who submitted it: user@host of the operating system; null where that is not known';
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
DROP FUNCTION stop_frozen_jobs(bigint, bigint, integer);
DROP FUNCTION note_freeze(bigint, bigint);
CREATE OR REPLACE FUNCTION number_endings(of_search bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'7065'::integer, hashint8(of_search));
    UPDATE finish SET ordinal = numbered.ordinal
    FROM (
        SELECT id, row_number() OVER (ORDER BY id)
                   + coalesce((SELECT max(f.ordinal) FROM finish f WHERE f.search_id = of_search), 0) AS ordinal
        FROM finish f WHERE f.search_id = of_search AND f.ordinal IS NULL
    ) AS numbered
    WHERE finish.id = numbered.id;
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
        SELECT FROM job WHERE job.search_id = of_search AND job.state = 'running'
    ) AND NOT EXISTS (
        SELECT FROM finish
        WHERE finish.search_id = of_search AND (finish.ordinal > seen OR finish.ordinal IS NULL AND seen IS NOT NULL)
    )
    RETURNING search.name;
END
$$;
CREATE OR REPLACE FUNCTION cancel_jobs(ids bigint[], OUT at_once bigint, OUT requested bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    -- Whoever cancels holds jobs before it writes them: two would wait for each other.
    PERFORM pg_advisory_xact_lock(x'7067'::integer, 0);
    -- Until the end none of them is claimed or given back. An observation under way is not waited for.
    PERFORM FROM job WHERE id = ANY (ids) AND state IN ('ready', 'running', 'waiting', 'paused') ORDER BY id FOR KEY SHARE;
    WITH mine AS MATERIALIZED (
        SELECT id FROM job WHERE id = ANY (ids) AND state IN ('ready', 'waiting', 'paused') ORDER BY id FOR UPDATE
    ), moved AS (
        UPDATE job SET state = 'cancelled', run_after = NULL FROM mine WHERE job.id = mine.id
        RETURNING job.id, job.search_id, job.fence
    ), told AS (
        INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'cancelled' FROM moved
    )
    SELECT coalesce(cardinality(array_agg(write_result(id, search_id, fence, 'cancelled', NULL))), 0) INTO at_once FROM moved;
    WITH held AS MATERIALIZED (
        SELECT job_id FROM lease WHERE job_id = ANY (ids) AND NOT cancel ORDER BY job_id FOR UPDATE
    )
    UPDATE lease SET cancel = true FROM held WHERE lease.job_id = held.job_id;
    GET DIAGNOSTICS requested = ROW_COUNT;
END
$$;
CREATE OR REPLACE FUNCTION cancel_search(of_search bigint) RETURNS TABLE (at_once bigint, requested bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE search SET state = 'cancelled', finished_at = now(), proposing = false
    WHERE id = of_search AND state IN ('running', 'paused');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    INSERT INTO event (search_id, kind) VALUES (of_search, 'cancelled');
    -- A job that is resumed for one more interval ends by itself and keeps its fitness.
    RETURN QUERY
    SELECT cancelled.at_once, cancelled.requested
    FROM cancel_jobs(ARRAY(
        SELECT job.id FROM job
        WHERE job.search_id = of_search AND job.state IN ('ready', 'running', 'waiting', 'paused')
          AND NOT EXISTS (SELECT FROM lease WHERE lease.job_id = job.id AND lease.thaw)
    )) AS cancelled;
END
$$;
COMMENT ON FUNCTION number_endings(bigint) IS 'Numbers the committed endings of a search that have no ordinal yet';
DROP INDEX job_frozen;
DROP TABLE freezing;
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker, or, with an error, by one whose host cannot train it; retried: an error, counted as a crash unless the checkpoint store was away; lost: its lease expired';
COMMENT ON TYPE decision IS 'what the predictor decided after an observation, obeyed or not';
COMMENT ON COLUMN observation.calibration IS 'Ordinal of the last finish of the search that the engine knew of; the decision can be recomputed from it';
COMMENT ON COLUMN finish.ordinal IS 'Place in the order of endings of the search, from 1; given after commit, by the next reader, so that finishing takes no lock';
COMMENT ON COLUMN lease.thaw IS 'The job had been terminated and is resumed for one interval; an attempt without an outcome leaves it terminated';
COMMENT ON COLUMN attempt.chance IS 'For a terminated job resumed for one interval: the chance of belonging to the best for which it was';
COMMENT ON COLUMN attempt.calibration IS 'Ordinal of the last finish that the engine knew of when it gave this chance; it can be recomputed from it';
COMMENT ON TYPE job_state IS 'ready: claimable; running: leased to a worker; waiting: backs off until run_after; paused: its search is paused; the others are outcomes';
DO $$
BEGIN
    -- Whoever reads endings numbers them first; replacing the function has taken that from it.
    EXECUTE format('ALTER FUNCTION number_endings(bigint) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;
