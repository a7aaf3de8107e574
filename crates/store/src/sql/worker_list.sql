-- Worker processes with what they train. $1 also those that have stopped, or have been silent for a day and train nothing.
SELECT worker.id, host, pid, class, device, worker.state, started_at,
       extract(epoch FROM now() - last_seen_at)::float8 AS silent_seconds, lease.job_id,
       done.attempts, done.crashes, worker.fault, worker.version
FROM worker
LEFT JOIN lease ON lease.worker_id = worker.id
CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, count(*) FILTER (WHERE "end" IN ('lost', 'retried')) AS crashes
    FROM attempt WHERE attempt.worker_id = worker.id
) AS done
WHERE $1 OR worker.state <> 'stopped' AND (last_seen_at > now() - interval '1 day' OR lease.job_id IS NOT NULL)
ORDER BY started_at, worker.id
