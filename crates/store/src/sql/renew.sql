-- Extends all leases of one worker process, in the order of their jobs. A pair that does not come back is lost.
-- $1 jobs, $2 their fences, $3 worker, $4 seconds.
WITH held AS MATERIALIZED (
    SELECT lease.job_id, lease.fence
    FROM unnest($1::bigint[], $2::bigint[]) AS mine (job_id, fence)
    JOIN lease ON lease.job_id = mine.job_id AND lease.fence = mine.fence
    WHERE lease.worker_id = $3
    ORDER BY lease.job_id FOR UPDATE OF lease
)
UPDATE lease SET expires_at = now() + make_interval(secs => $4)
FROM held WHERE lease.job_id = held.job_id AND lease.fence = held.fence
RETURNING lease.job_id, lease.fence, lease.cancel
