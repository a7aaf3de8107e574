-- Ends an attempt by an error that may be the job's doing, under its fence. The job waits, twice as long after each crash, or
-- is failed by the evidence against it; one that had been set aside is frozen as before, one that a person has cancelled is
-- cancelled. One that a worker of the version before took up for an interval has a result, and is terminated as before. Locks go from the job to its lease.
-- $1 job, $2 fence, $3 worker, $4 error, $5 last lines of the log, $6 seconds to wait after the first crash.
WITH mine AS MATERIALIZED (
    SELECT id FROM job WHERE id = $1 AND fence = $2 AND state = 'running' FOR UPDATE
), held AS (
    DELETE FROM lease USING mine WHERE lease.job_id = mine.id AND lease.fence = $2 AND lease.worker_id = $3
    RETURNING lease.thaw, lease.cancel
), evidence AS MATERIALIZED (
    SELECT crashed.*, CASE WHEN held.thaw AND EXISTS (SELECT FROM result WHERE result.job_id = $1) THEN 'terminated'
                           WHEN held.cancel THEN 'cancelled' WHEN crashed.is_final THEN 'failed'
                           WHEN held.thaw THEN 'frozen' ELSE 'waiting' END::job_state AS next,
           $6 * 2 ^ (least(crashed.crashes, 5) - 1) AS pause
    FROM held, worker, crash_evidence($1, worker.host, false) AS crashed
    WHERE worker.id = $3
), moved AS (
    UPDATE job
    SET state = evidence.next, crashes = evidence.crashes, losses = evidence.losses, crash_step = evidence.step,
        crash_hosts = evidence.hosts,
        run_after = CASE WHEN evidence.next = 'waiting' THEN now() + make_interval(secs => evidence.pause) END
    FROM evidence WHERE job.id = $1
    RETURNING job.id, job.search_id, job.state, job.crashes, cardinality(job.crash_hosts) AS hosts, evidence.pause
), ended AS (
    UPDATE attempt
    SET ended_at = now(), "end" = CASE WHEN moved.state = 'failed' THEN 'finished' ELSE 'retried' END::attempt_end,
        error = $4, log = $5
    FROM moved WHERE attempt.job_id = moved.id AND attempt.fence = $2
)
SELECT state, crashes, hosts, pause,
       CASE WHEN state = 'failed' THEN
                write_result(id, search_id, $2, 'failed', format('crashed %s times; last error: %s', crashes, $4))
            WHEN state = 'cancelled' THEN write_result(id, search_id, $2, 'cancelled', NULL)
            WHEN state = 'frozen' THEN note_freeze(id, search_id) END AS fitness
FROM moved
