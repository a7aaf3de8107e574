-- Another priority of a search, and another limit of jobs that run at once; workers of its class are told, since there may be room
-- for ready jobs and for resumed ones. $1 search, $2 priority or null, $3 whether the limit changes, $4 limit or null for none.
WITH changed AS (
    UPDATE search SET priority = coalesce($2, priority), max_running = CASE WHEN $3 THEN $4 ELSE max_running END
    WHERE id = $1 RETURNING id, priority, max_running
), told AS MATERIALIZED (
    SELECT pg_notify('peng_ready', class || news)
    FROM (SELECT class, (SELECT count(*) FROM job other WHERE other.search_id = $1 AND other.state = 'ready') AS ready
          FROM job WHERE search_id = $1 LIMIT 1) AS jobs
    CROSS JOIN LATERAL (VALUES (' ' || greatest(ready, 1)), (' thaw')) AS of_class (news)
)
INSERT INTO event (search_id, kind, detail)
SELECT id, 'set', 'priority ' || priority || ', max_running ' || coalesce(max_running::text, 'none')
FROM changed CROSS JOIN (SELECT count(*) FROM told) AS all_told
