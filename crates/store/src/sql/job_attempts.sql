-- The attempts at a job, oldest first. $1 job.
SELECT job_id, fence, host || ':' || pid AS worker, attempt.started_at, ended_at, first_step, "end"::text AS "end",
       error, log
FROM attempt JOIN worker ON worker.id = worker_id
WHERE job_id = $1
ORDER BY fence
