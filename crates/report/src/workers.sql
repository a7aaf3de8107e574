-- Worker processes that claimed jobs of the search. Time present counts from the later of its registration and the
-- submission of the search; a worker that served several searches is present for all of them.
-- $1 search_id
SELECT worker_id::text AS worker_id, host, pid, device, class, version, state::text AS state, started_at, last_seen_at,
       attempts, finished, released, retried, lost, running, present_seconds, busy_seconds
FROM worker_use
WHERE search_id = $1
ORDER BY started_at, worker_id
