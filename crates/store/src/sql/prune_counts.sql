-- How many logs, events and workers of long ago would go, beside what goes with searches. $1 seconds, $2 searches that go.
SELECT (SELECT count(*) FROM attempt
        WHERE log IS NOT NULL AND ended_at < now() - make_interval(secs => $1)
          AND NOT EXISTS (SELECT FROM job WHERE job.id = attempt.job_id AND job.search_id = ANY ($2))) AS logs,
       (SELECT count(*) FROM event
        WHERE at < now() - make_interval(secs => $1) AND (search_id = ANY ($2)) IS NOT TRUE) AS events,
       (SELECT count(*) FROM worker
        WHERE last_seen_at < now() - make_interval(secs => $1)
          AND NOT EXISTS (
              SELECT FROM attempt JOIN job ON job.id = attempt.job_id
              WHERE attempt.worker_id = worker.id AND job.search_id <> ALL ($2)
          )
          AND NOT EXISTS (SELECT FROM lease WHERE lease.worker_id = worker.id)) AS workers
