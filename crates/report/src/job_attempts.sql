-- Every claim of one job.
-- $1 job_id
SELECT t.fence, w.host, w.device, t.worker_id::text AS worker_id, t.started_at, t.first_step, t.ended_at,
       t."end"::text AS ending, t.error
FROM attempt t LEFT JOIN worker w ON w.id = t.worker_id
WHERE t.job_id = $1
ORDER BY t.fence
