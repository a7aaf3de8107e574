-- The newest attempts of a worker, newest first. $1 worker, $2 how many.
SELECT job_id, fence, host || ':' || pid AS worker, attempt.started_at, ended_at, first_step, "end"::text AS "end",
       error, log
FROM attempt JOIN worker ON worker.id = worker_id
WHERE worker_id = $1
ORDER BY attempt.started_at DESC, fence DESC
LIMIT $2
