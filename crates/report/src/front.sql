-- The networks of the front, in words.
-- $1 numbers of the jobs
SELECT job_id, summary
FROM job_outcome
WHERE job_id = ANY($1)
ORDER BY job_id
