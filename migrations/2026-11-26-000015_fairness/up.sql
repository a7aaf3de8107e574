-- Why: a search of a million jobs stood before every one that was submitted later, and nobody could say that a search goes first,
-- or that it may take so many workers and no more. From here on searches take turns. Only additions: workers of the version
-- before go on claiming by class, priority and age of the job, and keep no limit.
-- The indexes are built while writers of the table wait, about a second for each million of jobs; whoever cannot bear that makes
-- them first, CONCURRENTLY, under the same names.

ALTER TABLE search
    ADD COLUMN priority     smallint NOT NULL DEFAULT 0,
    ADD COLUMN max_running  integer CHECK (max_running > 0),
    ADD COLUMN submitted_by text;
COMMENT ON COLUMN search.priority IS 'Searches of higher priority go first; among equals the one of which fewest jobs run';
COMMENT ON COLUMN search.max_running IS 'No job of it is claimed or resumed while so many run; null for no limit';
COMMENT ON COLUMN search.submitted_by IS 'Who submitted it: user@host of the operating system; null before version 0.2, and for imported curves';

-- coalesce: no other index serves this condition, and the planner expects half of all jobs to meet it. So it reads in order, even
-- with a plan from the time when it knew that nothing was ready; else it would sort all that has become ready since.
CREATE INDEX IF NOT EXISTS job_turn ON job (class, search_id, (-priority::integer), id) WHERE coalesce(state = 'ready', false);
COMMENT ON INDEX job_turn IS 'The queue of each search: its ready jobs, highest priority first, then oldest first';
CREATE INDEX IF NOT EXISTS job_running ON job (search_id) WHERE state = 'running';
COMMENT ON INDEX job_running IS 'Jobs of a search that run, among all that it has had';

CREATE FUNCTION running_jobs(of_search bigint) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT count(*) FROM job WHERE job.search_id = of_search AND job.state = 'running'
$$;
COMMENT ON FUNCTION running_jobs(bigint) IS 'How many jobs of a search run, resumed ones too';

-- The count has to see what the claim before has committed: the lock first, then a snapshot of its own. Of a search that is full
-- nobody takes the lock.
CREATE FUNCTION has_room(of_search bigint) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    most integer;
BEGIN
    SELECT search.max_running INTO most FROM search WHERE search.id = of_search;
    IF running_jobs(of_search) >= most THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(x'7068'::integer, hashint8(of_search));
    -- Somebody may have lifted the limit.
    RETURN coalesce(running_jobs(of_search) < most, true);
END
$$;
COMMENT ON FUNCTION has_room(bigint) IS 'Whether one more job of a search with a limit may run; until its transaction ends nobody else claims in that search';

-- The jobs that run are found by an index of their search, not by walking through all leases.
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

CREATE OR REPLACE VIEW search_summary AS
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
