-- The faults of living workers of a class, with the hosts that have each. Workers that were not seen for two minutes do not
-- count. $1 class.
WITH living AS MATERIALIZED (
    SELECT host, fault FROM worker
    WHERE class = $1 AND state = 'running' AND last_seen_at > now() - interval '2 minutes'
)
SELECT fault, array_agg(DISTINCT host) AS hosts, EXISTS (SELECT FROM living WHERE fault IS NULL) AS others_work
FROM living WHERE fault IS NOT NULL
GROUP BY fault ORDER BY count(*) DESC, fault
