-- The commonest error of the jobs that failed.
-- $1 search_id
SELECT mode() WITHIN GROUP (ORDER BY error) AS error
FROM job_outcome
WHERE search_id = $1 AND error IS NOT NULL
/* and filter */
