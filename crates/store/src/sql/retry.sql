-- Ends an attempt by a passing error, under its fence: the job waits, a thawed one is terminated as before.
-- The caller fails the job instead when this is its last crash.
-- $1 job, $2 fence, $3 error, $4 last lines of the log, $5 seconds to wait, $6 crashes to count.
WITH held AS (
    DELETE FROM lease WHERE job_id = $1 AND fence = $2 RETURNING job_id, thaw
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'retried', error = $3, log = $4
    WHERE job_id = (SELECT job_id FROM held) AND fence = $2
)
UPDATE job
SET state = CASE WHEN held.thaw THEN 'terminated' ELSE 'waiting' END::job_state,
    run_after = CASE WHEN NOT held.thaw THEN now() + make_interval(secs => $5) END, crashes = crashes + $6
FROM held WHERE job.id = held.job_id AND job.fence = $2
RETURNING crashes
