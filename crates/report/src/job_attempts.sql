-- Every claim of one job.
-- $1 job_id
SELECT fence, host, device, worker_id::text AS worker_id, started_at, first_step, ended_at, ending::text AS ending, chance, repeated, error
FROM job_attempt
WHERE job_id = $1
ORDER BY fence
