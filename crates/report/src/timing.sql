-- When the search was worked on, and by how many worker processes.
-- $1 search_id
SELECT count(DISTINCT worker_id) AS workers, count(*) AS claims, min(started_at) AS started_at,
       max(coalesce(ended_at, now())) AS ended_at,
       extract(epoch FROM max(coalesce(ended_at, now())) - min(started_at))::double precision AS wall_seconds
FROM job_outcome
JOIN attempt USING (job_id)
WHERE search_id = $1
/* and filter */
