-- Searches that ended long ago and are not archived, and those whose deletion was begun, the oldest first. What another search
-- that has not ended begins with stays. $1 seconds.
SELECT search.id, search.name, search.finished_at, warm.name AS warm_start_of
FROM search
LEFT JOIN LATERAL (
    SELECT other.name FROM search AS other
    WHERE other.state IN ('running', 'paused') AND other.spec #>> '{predictor,warm_start}' = search.name
    ORDER BY other.id LIMIT 1
) AS warm ON true
WHERE deleting_since IS NOT NULL
   OR (state IN ('finished', 'cancelled') AND archived_at IS NULL AND finished_at < now() - make_interval(secs => $1))
ORDER BY id
