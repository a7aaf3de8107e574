-- When the search was worked on, and by how many worker processes.
-- $1 search_id
SELECT count(DISTINCT a.worker_id) AS workers, count(*) AS claims, min(a.started_at) AS started_at,
       max(coalesce(a.ended_at, now())) AS ended_at,
       extract(epoch FROM max(coalesce(a.ended_at, now())) - min(a.started_at))::double precision AS wall_seconds
FROM (
    SELECT job_id FROM job_outcome WHERE search_id = $1
    /* and filter */
) t
JOIN job_attempt a ON a.job_id = t.job_id
