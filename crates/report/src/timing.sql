-- When the search was worked on, by how many worker processes, and how many of its jobs were held at the same time at most.
-- $1 search_id
WITH claim AS MATERIALIZED (
    SELECT a.worker_id, a.started_at, coalesce(a.ended_at, now()) AS ended_at
    FROM (
        SELECT job_id FROM job_outcome WHERE search_id = $1
        /* and filter */
    ) t
    JOIN job_attempt a ON a.job_id = t.job_id
), held AS (
    SELECT sum(change) OVER (ORDER BY at, change) AS jobs
    FROM (SELECT started_at AS at, 1 AS change FROM claim UNION ALL SELECT ended_at, -1 FROM claim) AS changes
)
SELECT count(DISTINCT worker_id) AS workers, count(*) AS claims, min(started_at) AS started_at, max(ended_at) AS ended_at,
       extract(epoch FROM max(ended_at) - min(started_at))::double precision AS wall_seconds,
       (SELECT max(jobs) FROM held) AS slots
FROM claim
