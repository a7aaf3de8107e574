-- Why: a job that the scheduler set aside was written as ended, with a result that strategies and reports took for final, and was
-- taken up for one interval at a time. From here on it is frozen: it has no ending, and whoever takes it up trains it on until the
-- scheduler says otherwise. Only additions: workers of the version before know nothing of frozen jobs and leave them alone.

COMMENT ON TYPE job_state IS 'ready: can be claimed; running: leased; frozen: set aside by the scheduler at its checkpoint, without an ending; waiting: backs off; paused: with its search; the others are outcomes';
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; frozen: the scheduler set the job aside; released: given back by a stopping worker, or, with an error, by one whose host cannot train it; retried: an error, counted as a crash unless the checkpoint store was away; lost: its lease expired';
COMMENT ON TYPE decision IS 'what the scheduler decided after an observation, obeyed or not: continue, or stop, by which the job is frozen or ends';
COMMENT ON COLUMN lease.thaw IS 'The job had been set aside and is taken up again; an attempt without an outcome leaves it as it was';
COMMENT ON COLUMN attempt.chance IS 'For a job taken up again: the chance of belonging to the best for which it was';
COMMENT ON COLUMN attempt.calibration IS 'Ordinal of the last ending or freeze that the scheduler knew of when it gave this chance';
COMMENT ON COLUMN observation.calibration IS 'Ordinal of the last ending or freeze of the search that the scheduler knew of; the prediction can be recomputed from it';

CREATE INDEX job_frozen ON job (search_id) WHERE state = 'frozen';
COMMENT ON INDEX job_frozen IS 'Jobs of a search that are set aside, among all that it has had';

CREATE TABLE freezing (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    search_id bigint NOT NULL REFERENCES search ON DELETE CASCADE,
    job_id    bigint NOT NULL REFERENCES job ON DELETE CASCADE,
    ordinal   bigint,
    frozen_at timestamptz NOT NULL DEFAULT now(),
    step      integer NOT NULL CHECK (step > 0),
    UNIQUE (search_id, ordinal)
);
CREATE INDEX freezing_unnumbered ON freezing (search_id) WHERE ordinal IS NULL;
CREATE INDEX freezing_job ON freezing (job_id, step);
COMMENT ON TABLE freezing IS 'History of jobs that were set aside, append-only; a job may be taken up and set aside again. Numbered with the endings of the search in one order, since schedulers learn from both';
COMMENT ON COLUMN freezing.id IS 'Number of the row';
COMMENT ON COLUMN freezing.search_id IS 'The search';
COMMENT ON COLUMN freezing.job_id IS 'The job that was set aside';
COMMENT ON COLUMN freezing.ordinal IS 'Place in the order of endings and freezes of the search, from 1; given after commit, by the next reader';
COMMENT ON COLUMN freezing.frozen_at IS 'When it was set aside';
COMMENT ON COLUMN freezing.step IS 'Its last evaluation interval then, whose checkpoint it goes on from';
COMMENT ON COLUMN finish.ordinal IS 'Place in the order of endings and freezes of the search, from 1; given after commit, by the next reader, so that finishing takes no lock';

CREATE FUNCTION note_freeze(of_job bigint, of_search bigint) RETURNS double precision
LANGUAGE sql
AS $$
    INSERT INTO freezing (search_id, job_id, step)
    SELECT of_search, of_job, max(step) FROM observation WHERE job_id = of_job HAVING max(step) > 0
    RETURNING NULL::double precision
$$;
COMMENT ON FUNCTION note_freeze(bigint, bigint) IS 'Notes that a job is set aside after its last observation; returns null, as the fitness that it does not have';

CREATE OR REPLACE FUNCTION number_endings(of_search bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'7065'::integer, hashint8(of_search));
    WITH numbered AS MATERIALIZED (
        SELECT kind, id, row_number() OVER (ORDER BY at, kind, id) + greatest(
                   coalesce((SELECT max(f.ordinal) FROM finish f WHERE f.search_id = of_search), 0),
                   coalesce((SELECT max(f.ordinal) FROM freezing f WHERE f.search_id = of_search), 0)) AS ordinal
        FROM (
            SELECT 'finish' AS kind, f.id, f.finished_at AS at FROM finish f WHERE f.search_id = of_search AND f.ordinal IS NULL
            UNION ALL
            SELECT 'freeze', f.id, f.frozen_at FROM freezing f WHERE f.search_id = of_search AND f.ordinal IS NULL
        ) AS unnumbered
    ), freezes AS (
        UPDATE freezing SET ordinal = numbered.ordinal
        FROM numbered WHERE numbered.kind = 'freeze' AND freezing.id = numbered.id
    )
    UPDATE finish SET ordinal = numbered.ordinal
    FROM numbered WHERE numbered.kind = 'finish' AND finish.id = numbered.id;
END
$$;
COMMENT ON FUNCTION number_endings(bigint) IS 'Numbers the committed endings and freezes of a search that have no ordinal yet';

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
        SELECT FROM job WHERE job.search_id = of_search AND job.state = 'frozen'
    ) AND NOT EXISTS (
        SELECT FROM finish
        WHERE finish.search_id = of_search AND (finish.ordinal > seen OR finish.ordinal IS NULL AND seen IS NOT NULL)
    )
    RETURNING search.name;
END
$$;

CREATE FUNCTION stop_frozen_jobs(of_search bigint, seen bigint, batch integer)
RETURNS TABLE (job_id bigint, fitness double precision)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM search WHERE search.id = of_search AND search.state = 'running' FOR NO KEY UPDATE;
    IF NOT FOUND OR EXISTS (
        SELECT FROM job WHERE job.search_id = of_search AND job.state IN ('ready', 'waiting', 'paused')
    ) OR EXISTS (
        SELECT FROM job WHERE job.search_id = of_search AND job.state = 'running'
    ) OR EXISTS (
        SELECT FROM freezing WHERE freezing.search_id = of_search AND (freezing.ordinal > seen OR freezing.ordinal IS NULL)
    ) OR EXISTS (
        SELECT FROM finish
        WHERE finish.search_id = of_search AND (finish.ordinal > seen OR finish.ordinal IS NULL) AND finish.outcome = 'completed'
    ) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH mine AS MATERIALIZED (
        SELECT job.id FROM job WHERE job.search_id = of_search AND job.state = 'frozen' ORDER BY job.id LIMIT batch FOR UPDATE
    ), moved AS (
        UPDATE job SET state = 'terminated' FROM mine WHERE job.id = mine.id RETURNING job.id, job.fence
    )
    SELECT moved.id, write_result(moved.id, of_search, moved.fence, 'terminated', NULL) FROM moved;
END
$$;
COMMENT ON FUNCTION stop_frozen_jobs(bigint, bigint, integer) IS 'Ends the jobs of a search that are set aside, a batch at a time, if it has nothing else to do and nothing was set aside or completed since an ordinal; returns each with its fitness';

CREATE OR REPLACE FUNCTION cancel_jobs(ids bigint[], OUT at_once bigint, OUT requested bigint)
LANGUAGE plpgsql
AS $$
BEGIN
    -- Whoever cancels holds jobs before it writes them: two would wait for each other.
    PERFORM pg_advisory_xact_lock(x'7067'::integer, 0);
    -- Until the end none of them is claimed or given back. An observation under way is not waited for.
    PERFORM FROM job WHERE id = ANY (ids) AND state IN ('ready', 'running', 'frozen', 'waiting', 'paused')
    ORDER BY id FOR KEY SHARE;
    WITH mine AS MATERIALIZED (
        SELECT id FROM job WHERE id = ANY (ids) AND state IN ('ready', 'frozen', 'waiting', 'paused') ORDER BY id FOR UPDATE
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
    -- A job that a worker of the version before has taken up for one interval ends by itself and keeps its fitness.
    RETURN QUERY
    SELECT cancelled.at_once, cancelled.requested
    FROM cancel_jobs(ARRAY(
        SELECT job.id FROM job
        WHERE job.search_id = of_search AND job.state IN ('ready', 'running', 'frozen', 'waiting', 'paused')
          AND NOT EXISTS (
              SELECT FROM lease JOIN result ON result.job_id = lease.job_id WHERE lease.job_id = job.id AND lease.thaw
          )
    )) AS cancelled;
END
$$;

CREATE OR REPLACE VIEW search_summary AS
SELECT s.name AS search, s.id AS search_id, s.state, s.engine, s.spec_hash, s.version, s.max_epochs, s."interval",
       s.budget, c.jobs, c.waiting, c.running, c.terminated, c.completed, c.diverged, c.failed, c.cancelled,
       s.created_at, s.finished_at, s.priority, s.max_running, s.submitted_by, c.frozen
FROM search s
LEFT JOIN LATERAL (
    SELECT count(*) AS jobs,
           count(*) FILTER (WHERE j.state IN ('ready', 'waiting', 'paused')) AS waiting,
           count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'frozen') AS frozen,
           count(*) FILTER (WHERE j.state = 'terminated') AS terminated,
           count(*) FILTER (WHERE j.state = 'completed') AS completed,
           count(*) FILTER (WHERE j.state = 'diverged') AS diverged,
           count(*) FILTER (WHERE j.state = 'failed') AS failed,
           count(*) FILTER (WHERE j.state = 'cancelled') AS cancelled
    FROM job j WHERE j.search_id = s.id
) c ON true;
COMMENT ON COLUMN search_summary.frozen IS 'Jobs that the scheduler has set aside, without an ending';
DO $$
BEGIN
    -- Whoever reads endings numbers them first; replacing the function has taken that from it.
    EXECUTE format('ALTER FUNCTION number_endings(bigint) SECURITY DEFINER SET search_path = %I, pg_temp', current_schema());
END
$$;
