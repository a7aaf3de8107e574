-- Where searches stand. $1 name or null for all, $2 whether all are also those that were put away.
SELECT search.name, search.state, search.engine, search.budget, counts.*, saved.*, search.created_at,
       extract(epoch FROM coalesce(search.finished_at, now()) - search.created_at)::float8 AS seconds,
       search.archived_at IS NOT NULL AS archived, search.deleting_since IS NOT NULL AS deleting,
       search.priority, search.max_running, search.submitted_by
FROM search
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, count(*) FILTER (WHERE state IN ('ready', 'waiting', 'paused')) AS open,
           count(*) FILTER (WHERE state = 'running') AS running, count(*) FILTER (WHERE state = 'frozen') AS frozen,
           count(*) FILTER (WHERE state = 'terminated') AS terminated,
           count(*) FILTER (WHERE state = 'completed') AS completed,
           count(*) FILTER (WHERE state IN ('diverged', 'failed', 'cancelled')) AS other,
           count(*) FILTER (WHERE state = 'failed') AS failed,
           coalesce(sum(greatest(attempts - 1, 0)), 0)::bigint AS restarts
    FROM job WHERE job.search_id = search.id
) AS counts
CROSS JOIN LATERAL (
    SELECT coalesce(sum(epochs), 0) AS epochs_trained,
           coalesce(sum(search.max_epochs - epochs) FILTER (WHERE outcome = 'terminated'), 0) AS epochs_saved,
           max(fitness) AS best
    FROM result WHERE result.search_id = search.id
) AS saved
WHERE search.name = $1 OR ($1 IS NULL AND ($2 OR search.archived_at IS NULL))
ORDER BY search.id
