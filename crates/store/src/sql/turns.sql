-- Searches of a class that have a ready job and room for one more, and what says whose turn it is. $1 class.
-- From search to search by the index, from its far end: what was claimed last stood at the near end of its search, where its dead
-- entries stay while a snapshot sees them. Of a few searches that reads a few rows, however many jobs they have. coalesce: the
-- condition of the index. OFFSET: one search after the other, not all that there have been.
WITH RECURSIVE found (id) AS (
    SELECT (SELECT search_id FROM job WHERE coalesce(state = 'ready', false) AND class = $1
            ORDER BY class DESC, search_id DESC, -priority::integer DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT search_id FROM job WHERE coalesce(state = 'ready', false) AND class = $1 AND search_id < found.id
            ORDER BY class DESC, search_id DESC, -priority::integer DESC, id DESC LIMIT 1)
    FROM found WHERE found.id IS NOT NULL
)
SELECT search_id, priority, running
FROM found
CROSS JOIN LATERAL (
    SELECT id AS search_id, priority, max_running, running_jobs(id) AS running FROM search WHERE search.id = found.id OFFSET 0
) AS turn
WHERE max_running IS NULL OR running < max_running
