-- Ends an attempt by a passing error, under its fence: a crash is counted and the job waits. The caller fails the
-- job instead when this is its last crash. $1 job, $2 fence, $3 error, $4 last lines of the log, $5 seconds to wait.
WITH held AS (
    DELETE FROM lease WHERE job_id = $1 AND fence = $2 RETURNING job_id
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'retried', error = $3, log = $4
    WHERE job_id = (SELECT job_id FROM held) AND fence = $2
)
UPDATE job SET state = 'waiting', run_after = now() + make_interval(secs => $5), crashes = crashes + 1
WHERE id = (SELECT job_id FROM held) AND fence = $2
RETURNING crashes
