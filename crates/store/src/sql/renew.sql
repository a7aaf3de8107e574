-- Extends all leases of one worker process. $1 jobs, $2 their fences, $3 seconds.
-- A pair that does not come back is lost.
UPDATE lease SET expires_at = now() + make_interval(secs => $3)
FROM unnest($1::bigint[], $2::bigint[]) AS held (job_id, fence)
WHERE lease.job_id = held.job_id AND lease.fence = held.fence
RETURNING lease.job_id, lease.fence, lease.cancel
