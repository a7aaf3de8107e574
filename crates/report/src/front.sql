-- The networks of the front, in words.
-- $1 numbers of the jobs
SELECT j.id AS job_id, a.summary
FROM job j JOIN architecture a ON a.id = j.architecture_id
WHERE j.id = ANY($1)
ORDER BY j.id
