-- Running searches that have no open job are finished.
UPDATE search SET state = 'finished', finished_at = now()
WHERE state = 'running' AND NOT EXISTS (
    SELECT FROM job WHERE job.search_id = search.id AND job.state IN ('ready', 'running', 'waiting', 'paused')
)
RETURNING name
