-- The first jobs of a search that are not lost, in the order of proposal. $1 search, $2 how many.
SELECT id AS job_id FROM job
WHERE (search_id, id) > ($1, 0) AND (search_id, id) < ($1 + 1, 0) AND state NOT IN ('diverged', 'failed', 'cancelled')
ORDER BY search_id, id LIMIT $2
