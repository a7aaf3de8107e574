-- Asks the workers of running jobs to cancel them, in the order of their numbers. $1 ids.
WITH held AS MATERIALIZED (
    SELECT job_id FROM lease WHERE job_id = ANY ($1) AND NOT cancel ORDER BY job_id FOR UPDATE
)
UPDATE lease SET cancel = true FROM held WHERE lease.job_id = held.job_id
RETURNING lease.job_id
