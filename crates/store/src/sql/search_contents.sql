-- What ended searches hold, and what goes with them. Observations are counted by the results of their jobs. $1 searches.
WITH jobs AS (
    SELECT id FROM job WHERE search_id = ANY ($1)
), pointers AS (
    SELECT count(*) AS checkpoints, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM checkpoint WHERE job_id IN (SELECT id FROM jobs)
)
SELECT cardinality($1::bigint[])::bigint AS searches, (SELECT count(*) FROM jobs) AS jobs,
       (SELECT coalesce(sum(step), 0) FROM result WHERE search_id = ANY ($1))::bigint AS observations,
       (SELECT count(*) FROM attempt WHERE job_id IN (SELECT id FROM jobs)) AS attempts,
       checkpoints, bytes
FROM pointers
