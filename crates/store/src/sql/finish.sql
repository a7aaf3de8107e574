-- Ends a job under its fence: state, lease, attempt, and the result row, which is computed from the curve. The job is found by
-- primary key and fence alone, so that no partial index is read. Locks go from the job to its lease, as everywhere.
-- The observation that it was decided on has to be there: after a fail-over that lost it, the curve would not bear the result.
-- $1 job, $2 fence, $3 worker, $4 outcome, $5 error or null, $6 last lines of the log or null, $7 step of the decision or null.
WITH moved AS (
    UPDATE job SET state = $4::text::job_state, run_after = NULL
    WHERE id = $1 AND fence = $2 AND state = 'running'
      AND EXISTS (SELECT FROM lease WHERE job_id = $1 AND fence = $2 AND worker_id = $3)
      AND ($7::integer IS NULL OR EXISTS (SELECT FROM observation WHERE job_id = $1 AND step = $7::integer))
    RETURNING id, search_id
), held AS (
    DELETE FROM lease WHERE job_id = (SELECT id FROM moved) AND fence = $2
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'finished', error = $5, log = $6
    WHERE job_id = (SELECT id FROM moved) AND fence = $2
)
SELECT search_id, write_result(id, search_id, $2, $4::text::outcome, $5) AS fitness FROM moved
