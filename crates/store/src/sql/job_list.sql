-- Jobs with where they are. $1 search or null, $2 states (empty: all), $3 ids or null, $4 limit.
SELECT job.id, search.name AS search, job.state, job.mode, job.priority, job.attempts, job.crashes, seen.epoch,
       seen.val_acc, seen.prediction, worker.host || ':' || worker.pid AS host, job.run_after,
       architecture.summary AS architecture
FROM job
JOIN search ON search.id = job.search_id
JOIN architecture ON architecture.id = job.architecture_id
LEFT JOIN lease ON lease.job_id = job.id
LEFT JOIN worker ON worker.id = lease.worker_id
LEFT JOIN LATERAL (
    SELECT epoch, val_acc, prediction FROM observation WHERE job_id = job.id ORDER BY step DESC LIMIT 1
) AS seen ON true
WHERE ($1::bigint IS NULL OR job.search_id = $1)
  AND (cardinality($2::text[]) = 0 OR job.state = ANY ($2::job_state[]))
  AND ($3::bigint[] IS NULL OR job.id = ANY ($3))
ORDER BY job.id
LIMIT $4
