-- Jobs by state, with what they trained.
-- $1 search_id
SELECT state::text AS state, count(*) AS jobs, sum(epochs) AS epochs, sum(seconds) AS seconds
FROM job_outcome
WHERE search_id = $1
/* and filter */
GROUP BY job_outcome.state
ORDER BY job_outcome.state
