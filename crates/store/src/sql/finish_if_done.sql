-- A running search that has no job to start and none that runs is finished, if nothing has ended since the ordinal that its
-- worker knew of.
-- $1 search, $2 ordinal or null for whatever has ended.
UPDATE search SET state = 'finished', finished_at = now()
WHERE id = $1 AND state = 'running' AND NOT EXISTS (
    SELECT FROM job WHERE job.search_id = search.id AND job.state IN ('ready', 'waiting', 'paused')
) AND NOT EXISTS (
    SELECT FROM lease WHERE (SELECT search_id FROM job WHERE job.id = lease.job_id) = search.id
) AND NOT EXISTS (
    SELECT FROM finish WHERE finish.search_id = search.id AND (finish.ordinal > $2 OR (finish.ordinal IS NULL AND $2 IS NOT NULL))
)
RETURNING name
