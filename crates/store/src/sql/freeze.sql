-- Sets a job aside under its fence, at its checkpoint and without an ending; one that a person has cancelled meanwhile is cancelled.
-- The observation that it was decided on has to be there, as for an ending. Locks go from the search to the job and its lease.
-- $1 job, $2 fence, $3 worker, $4 step of the decision.
WITH owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id = (SELECT search_id FROM job WHERE id = $1) FOR SHARE
), mine AS MATERIALIZED (
    SELECT job.id, owner.state AS search_state FROM job JOIN owner ON owner.id = job.search_id
    WHERE job.id = $1 AND job.fence = $2 AND job.state = 'running'
      AND EXISTS (SELECT FROM observation WHERE job_id = $1 AND step = $4)
    FOR UPDATE OF job
), held AS (
    DELETE FROM lease USING mine WHERE lease.job_id = mine.id AND lease.fence = $2 AND lease.worker_id = $3
    RETURNING CASE WHEN lease.cancel OR mine.search_state = 'cancelled' THEN 'cancelled' ELSE 'frozen' END::job_state AS next
), moved AS (
    UPDATE job SET state = held.next, run_after = NULL FROM held WHERE job.id = $1
    RETURNING job.id, job.search_id, job.state
), ended AS (
    UPDATE attempt
    SET ended_at = now(), "end" = CASE WHEN moved.state = 'frozen' THEN 'frozen' ELSE 'released' END::attempt_end
    FROM moved WHERE attempt.job_id = moved.id AND attempt.fence = $2
)
SELECT state,
       CASE WHEN state = 'cancelled' THEN write_result(id, search_id, $2, 'cancelled', NULL) ELSE note_freeze(id, search_id) END AS fitness
FROM moved
