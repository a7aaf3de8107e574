-- Why: pausing, cancelling, enqueueing and deleting took several round trips of a transaction. A client that froze between two
-- of them held its search, or jobs of it, until a time-out. Each is one call from here on. Only additions.

CREATE FUNCTION set_search_paused(of_search bigint, is_paused boolean) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    moved bigint;
BEGIN
    UPDATE search SET state = CASE WHEN is_paused THEN 'paused' ELSE 'running' END::search_state, finished_at = NULL
    WHERE id = of_search AND state = CASE WHEN is_paused THEN 'running' ELSE 'paused' END::search_state;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO event (search_id, kind) VALUES (of_search, CASE WHEN is_paused THEN 'paused' ELSE 'running' END);
    WITH mine AS MATERIALIZED (
        SELECT id FROM job
        WHERE search_id = of_search AND state = CASE WHEN is_paused THEN 'ready' ELSE 'paused' END::job_state
          AND state IN ('ready', 'waiting', 'paused')
        ORDER BY id FOR UPDATE
    )
    UPDATE job SET state = CASE WHEN is_paused THEN 'paused' ELSE 'ready' END::job_state FROM mine WHERE job.id = mine.id;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION set_search_paused(bigint, boolean) IS 'Pauses a running search or resumes a paused one; returns how many jobs wait, or are ready again; null where it was neither, and nothing was changed';

CREATE FUNCTION cancel_jobs(ids bigint[], OUT at_once bigint, OUT requested bigint)
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
COMMENT ON FUNCTION cancel_jobs(bigint[]) IS 'Cancels jobs that do not run, and asks the workers of those that do; returns how many of each. What has ended stays';

CREATE FUNCTION cancel_search(of_search bigint) RETURNS TABLE (at_once bigint, requested bigint)
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
COMMENT ON FUNCTION cancel_search(bigint) IS 'Ends a running or paused search with its open jobs; returns what cancel_jobs does, or no row where it had ended, and nothing was changed';

-- Whoever proposes has read the search and thought without a lock. A job that is newer than those that it knows says that others
-- were faster; that the jobs of a search become visible in the order of their numbers is due to this lock.
CREATE FUNCTION open_for_jobs(of_search bigint, seen bigint, from_outside boolean)
RETURNS TABLE (state search_state, is_open boolean)
LANGUAGE plpgsql
AS $$
BEGIN
    IF seen IS NOT NULL THEN
        -- A peng of the schema before thinks under this lock.
        PERFORM pg_advisory_xact_lock(x'7066'::integer, hashint8(of_search));
    END IF;
    PERFORM FROM search WHERE search.id = of_search FOR NO KEY UPDATE;
    RETURN QUERY
    SELECT search.state,
           (search.state IN ('running', 'paused') OR from_outside AND search.state = 'finished')
           AND (seen IS NULL OR NOT EXISTS (
               SELECT FROM job WHERE (job.search_id, job.id) > (of_search, seen) AND (job.search_id, job.id) < (of_search + 1, 0)
           ))
    FROM search WHERE search.id = of_search AND search.deleting_since IS NULL;
END
$$;
COMMENT ON FUNCTION open_for_jobs(bigint, bigint, boolean) IS 'Locks a search until the transaction ends, and says how it stands and whether jobs may be added: whether it goes on, and has no job after the one that was seen last (null: whatever it has). A finished one takes jobs from outside. No row for one that is being deleted';

CREATE FUNCTION note_jobs_from_outside(of_search bigint, added bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE search
    SET budget = greatest(budget, (SELECT count(*) FROM architecture WHERE search_id = of_search)),
        state = CASE state WHEN 'finished' THEN 'running' ELSE state END, finished_at = NULL
    WHERE id = of_search;
    INSERT INTO event (search_id, kind, detail) VALUES (of_search, 'added', added || ' jobs');
END
$$;
COMMENT ON FUNCTION note_jobs_from_outside(bigint, bigint) IS 'Lets a search to which jobs were added from outside go on, with a budget that holds them';

CREATE FUNCTION deletion_obstacles(of_search bigint)
RETURNS TABLE (name text, has_ended boolean, running bigint, warm_start_of text)
LANGUAGE sql STABLE
AS $$
    SELECT search.name, search.state IN ('finished', 'cancelled'),
           -- From the few leases to their jobs.
           (SELECT count(*) FROM lease WHERE (SELECT job.search_id FROM job WHERE job.id = lease.job_id) = of_search),
           (SELECT other.name FROM search other
            WHERE other.state IN ('running', 'paused') AND other.spec #>> '{predictor,warm_start}' = search.name LIMIT 1)
    FROM search WHERE search.id = of_search
$$;
COMMENT ON FUNCTION deletion_obstacles(bigint) IS 'What stands against deleting a search: that it goes on, jobs of it that still run, a search that goes on and begins with its curves';

CREATE FUNCTION begin_search_deletion(of_search bigint)
RETURNS TABLE (name text, has_ended boolean, running bigint, warm_start_of text)
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM search WHERE search.id = of_search FOR NO KEY UPDATE;
    SELECT * INTO name, has_ended, running, warm_start_of FROM deletion_obstacles(of_search);
    IF FOUND THEN
        RETURN NEXT;
    END IF;
    IF has_ended AND running = 0 AND warm_start_of IS NULL THEN
        UPDATE search SET deleting_since = now() WHERE search.id = of_search AND search.deleting_since IS NULL;
    END IF;
END
$$;
COMMENT ON FUNCTION begin_search_deletion(bigint) IS 'Begins to delete a search, after which nothing brings it back, unless something stands against it; returns what deletion_obstacles does';
