-- Notes where an attempt begins, and how many intervals it trains again: a job begins anew behind its last whole checkpoint.
-- $1 job, $2 fence, $3 worker, $4 first interval.
UPDATE attempt
SET first_step = $4, repeated = greatest((SELECT coalesce(max(step), 0) FROM observation WHERE job_id = $1) - $4 + 1, 0)
WHERE job_id = $1 AND fence = $2 AND worker_id = $3
