-- Why: what a host breaks must not count against a job, two workers must never write as one, and a result must agree with its
-- curve whoever writes it. Only additions, so that workers of the version before go on until they are replaced.

-- Crashes are counted since the last progress, lost leases apart from them, and as evidence from so many hosts.
ALTER TABLE job
    ADD COLUMN losses      smallint NOT NULL DEFAULT 0 CHECK (losses >= 0),
    ADD COLUMN crash_step  integer CHECK (crash_step >= 0),
    ADD COLUMN crash_hosts text[],
    -- A fifth crash on one host of several fails nothing yet. NOT VALID: the narrower check held for all that is there.
    DROP CONSTRAINT job_crashes_check,
    ADD CONSTRAINT job_crashes_check CHECK (crashes >= 0) NOT VALID;
COMMENT ON COLUMN job.crashes IS 'Attempts that ended by an error since the job last got further; the fifth fails it, if two hosts have seen it crash or there is one alone';
COMMENT ON COLUMN job.losses IS 'Attempts whose lease expired since the job last got further; the tenth fails it under the same condition';
COMMENT ON COLUMN job.crash_step IS 'Last evaluation interval recorded at its newest crash or loss: getting beyond it starts the counts anew';
COMMENT ON COLUMN job.crash_hosts IS 'Hosts on which it has crashed or was lost since it last got further';
COMMENT ON COLUMN job.attempts IS 'How often it was claimed, up to 32,767';

-- Why a worker steps aside.
ALTER TABLE worker
    ADD COLUMN fault    text,
    ADD COLUMN fault_at timestamptz,
    ADD CHECK ((fault IS NULL) = (fault_at IS NULL));
COMMENT ON COLUMN worker.fault IS 'Why it claims nothing at present: what its host lacks, in words; null while it works';
COMMENT ON COLUMN worker.fault_at IS 'When that was found';
COMMENT ON COLUMN attempt.error IS 'The error that ended it; of a released attempt, why its host could not train it';
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker, or, with an error, by one whose host cannot train it; retried: an error, counted as a crash unless the checkpoint store was away; lost: its lease expired';

-- One worker does for all what one can: whoever holds the row, for a short term.
ALTER TABLE maintenance
    ADD COLUMN holder uuid,
    ADD COLUMN until  timestamptz;
COMMENT ON TABLE maintenance IS 'Services that one worker runs for all, with who runs each and when it last ran';
COMMENT ON COLUMN maintenance.holder IS 'The worker that runs it';
COMMENT ON COLUMN maintenance.until IS 'Until when no other worker runs it';

-- Workers reach one store under many names; the key is the same under all of them.
ALTER TABLE checkpoint ADD COLUMN key text;
COMMENT ON COLUMN checkpoint.key IS 'Its name within the store, which is what is read: identity/search/job/step-fence-worker.ckpt; null before version 0.2';
COMMENT ON COLUMN checkpoint.uri IS 'Its whole URL as its writer reached the store: for people, and for workers of version 0.1';
ALTER TABLE identity
    ADD COLUMN store_id  uuid,
    ADD COLUMN store_url text,
    ADD CHECK ((store_id IS NULL) = (store_url IS NULL));
COMMENT ON COLUMN identity.store_id IS 'Which checkpoint store its workers use, by the marker in that store; null until the first one has started';
COMMENT ON COLUMN identity.store_url IS 'How the worker that was first reached that store, for people';

-- What a curve says of its job that ended so.
CREATE FUNCTION curve_result(job bigint, ended outcome)
RETURNS TABLE (step integer, epochs double precision, seconds double precision, last_fitness double precision,
               best_fitness double precision, final_fitness double precision, stop_epoch double precision,
               stop_seconds double precision, stop_fitness double precision, prediction double precision,
               low_80 double precision, high_80 double precision, low_90 double precision, high_90 double precision,
               fitness double precision)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(curve.step, 0), coalesce(curve.epochs, 0), coalesce(curve.seconds, 0), last.val_acc, curve.best,
           CASE WHEN ended = 'completed' THEN last.val_acc END,
           stop.epoch, spent.seconds, stop.val_acc,
           CASE WHEN stop.step IS NULL THEN last.prediction ELSE stop.prediction END,
           CASE WHEN stop.step IS NULL THEN last.low_80 ELSE stop.low_80 END,
           CASE WHEN stop.step IS NULL THEN last.high_80 ELSE stop.high_80 END,
           CASE WHEN stop.step IS NULL THEN last.low_90 ELSE stop.low_90 END,
           CASE WHEN stop.step IS NULL THEN last.high_90 ELSE stop.high_90 END,
           CASE ended WHEN 'completed' THEN last.val_acc
                      WHEN 'terminated' THEN coalesce(last.prediction, last.val_acc) END
    FROM (
        SELECT max(o.step) AS step, max(o.epoch) AS epochs, sum(o.seconds) AS seconds, max(o.val_acc) AS best
        FROM observation o WHERE o.job_id = job
    ) AS curve
    LEFT JOIN LATERAL (
        SELECT o.* FROM observation o WHERE o.job_id = job ORDER BY o.step DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN LATERAL (
        SELECT o.* FROM observation o WHERE o.job_id = job AND o.decision = 'stop' ORDER BY o.step LIMIT 1
    ) AS stop ON true
    LEFT JOIN LATERAL (
        SELECT sum(o.seconds) AS seconds FROM observation o WHERE o.job_id = job AND o.step <= stop.step
    ) AS spent ON true
$$;
COMMENT ON FUNCTION curve_result(bigint, outcome) IS 'The columns of a result row that follow from the curve of a job and how it ended';

-- Whoever ends a job writes its result through this. It reads with a snapshot of its own, so that the result agrees with a
-- curve that grew while its caller waited for the job.
CREATE FUNCTION write_result(job bigint, of_search bigint, by_fence bigint, ended outcome, cause text)
RETURNS double precision
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ranked double precision;
BEGIN
    WITH final AS (
        SELECT * FROM curve_result($1, $4)
    ), written AS (
        INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness,
                            final_fitness, stop_epoch, stop_seconds, stop_fitness, prediction, low_80, high_80, low_90,
                            high_90, fitness, error)
        SELECT $1, $2, $3, step, $4, epochs, seconds, last_fitness, best_fitness, final_fitness, stop_epoch,
               stop_seconds, stop_fitness, prediction, low_80, high_80, low_90, high_90, fitness, $5
        FROM final
        ON CONFLICT (job_id) DO UPDATE
        SET fence = excluded.fence, step = excluded.step, outcome = excluded.outcome, epochs = excluded.epochs,
            seconds = excluded.seconds, last_fitness = excluded.last_fitness, best_fitness = excluded.best_fitness,
            final_fitness = excluded.final_fitness, stop_epoch = excluded.stop_epoch,
            stop_seconds = excluded.stop_seconds, stop_fitness = excluded.stop_fitness,
            prediction = excluded.prediction, low_80 = excluded.low_80, high_80 = excluded.high_80,
            low_90 = excluded.low_90, high_90 = excluded.high_90, fitness = excluded.fitness, error = excluded.error,
            finished_at = now()
    ), history AS (
        INSERT INTO finish (search_id, job_id, fitness, step, outcome) SELECT $2, $1, fitness, step, $4 FROM final
    )
    SELECT fitness INTO ranked FROM final;
    RETURN ranked;
END
$$;
COMMENT ON FUNCTION write_result(bigint, bigint, bigint, outcome, text) IS 'Writes the one result row of a job that has ended, and a line of the history of endings; returns its fitness';

-- What another crash or loss of a job amounts to.
CREATE FUNCTION crash_evidence(of_job bigint, on_host text, is_loss boolean)
RETURNS TABLE (crashes integer, losses integer, step integer, hosts text[], is_final boolean)
LANGUAGE sql STABLE
AS $$
    SELECT counted.crashes, counted.losses, counted.step, counted.hosts,
           (counted.crashes >= 5 OR counted.losses >= 10)
           AND (cardinality(counted.hosts) >= 2 OR NOT EXISTS (
               SELECT FROM worker
               WHERE worker.class = counted.class AND worker.state = 'running' AND worker.host <> on_host
                 AND worker.last_seen_at > now() - interval '2 minutes'
           ))
    FROM (
        SELECT job.class, reached.step,
               least(CASE WHEN reached.further THEN 0 ELSE job.crashes END + (NOT is_loss)::integer, 32767) AS crashes,
               least(CASE WHEN reached.further THEN 0 ELSE job.losses END + is_loss::integer, 32767) AS losses,
               CASE WHEN reached.further OR job.crash_hosts IS NULL THEN ARRAY[on_host]
                    WHEN on_host = ANY (job.crash_hosts) THEN job.crash_hosts
                    ELSE job.crash_hosts || on_host END AS hosts
        FROM job CROSS JOIN LATERAL (
            SELECT coalesce(max(observation.step), 0) AS step,
                   coalesce(max(observation.step), 0) > coalesce(job.crash_step, 2147483647) AS further
            FROM observation WHERE observation.job_id = job.id
        ) AS reached
        WHERE job.id = of_job
    ) AS counted
$$;
COMMENT ON FUNCTION crash_evidence(bigint, text, boolean) IS 'What the crashes and losses of a job amount to with one more on a host: counts since it last got further, hosts that have seen one, and whether the job is to be failed';

-- What takes a lock and then has to see what its holder wrote is one call: no client holds the lock while it is silent, and each
-- statement of such a function has a snapshot of its own.
CREATE FUNCTION number_endings(of_search bigint) RETURNS void
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
COMMENT ON FUNCTION number_endings(bigint) IS 'Numbers the committed endings of a search that have no ordinal yet';

CREATE FUNCTION finish_search_if_done(of_search bigint, seen bigint) RETURNS SETOF text
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
COMMENT ON FUNCTION finish_search_if_done(bigint, bigint) IS 'Marks a running search finished that has no job to start and none that runs, if nothing has ended since an ordinal (null: whatever has ended); returns its name';
