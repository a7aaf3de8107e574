-- What a ready or running job waits for. Workers that were not seen for two minutes do not count. $1 job.
SELECT job.class,
       (SELECT count(*) FROM worker
        WHERE worker.class = job.class AND state = 'running' AND last_seen_at > now() - interval '2 minutes') AS workers,
       (SELECT count(*) FROM job other
        WHERE other.state = 'ready' AND other.class = job.class AND other.search_id = job.search_id
          AND (other.priority > job.priority OR other.priority = job.priority AND other.id < job.id)) AS before,
       (SELECT count(*) FROM search higher JOIN job other ON other.search_id = higher.id
        WHERE higher.state = 'running' AND higher.priority > search.priority
          AND (higher.max_running IS NULL OR running_jobs(higher.id) < higher.max_running)
          AND other.state = 'ready' AND other.class = job.class) AS higher,
       CASE WHEN running_jobs(search.id) >= search.max_running THEN search.max_running END AS reached,
       extract(epoch FROM lease.expires_at - now())::float8 AS lease_seconds,
       coalesce(lease.cancel, false) AS cancel
FROM job JOIN search ON search.id = job.search_id LEFT JOIN lease ON lease.job_id = job.id
WHERE job.id = $1
