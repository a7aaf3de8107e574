-- Discards the checkpoints of a batch of jobs of an ended search, but for the best of the search by fitness (a tie goes to the
-- older job) and those that still run. Locks go from the search, which cannot be revived meanwhile, to the jobs, in the order
-- of their numbers. Arrays and pairs, so that the planner cannot but go by index. No row: the search has not ended.
-- $1 search, $2 job after which to begin, $3 jobs, $4 how many of the best.
WITH owner AS MATERIALIZED (
    SELECT id FROM search WHERE id = $1 AND state IN ('finished', 'cancelled') FOR SHARE
), best AS MATERIALIZED (
    SELECT job_id FROM result WHERE search_id = $1 AND fitness IS NOT NULL
    ORDER BY fitness DESC NULLS LAST, job_id LIMIT $4
), batch AS MATERIALIZED (
    SELECT id FROM job WHERE (search_id, id) > ($1, $2) AND (search_id, id) < ($1 + 1, 0) AND EXISTS (SELECT FROM owner)
    ORDER BY search_id, id LIMIT $3
), mine AS MATERIALIZED (
    SELECT id FROM job
    WHERE id IN (SELECT id FROM batch) AND state <> 'running' AND id NOT IN (SELECT job_id FROM best)
    ORDER BY id FOR NO KEY UPDATE
), gone AS (
    DELETE FROM checkpoint WHERE job_id = ANY (ARRAY(SELECT id FROM mine))
    RETURNING job_id, step, fence, key, uri, bytes, sha256
), kept AS (
    INSERT INTO discarded_checkpoint (job_id, step, fence, key, uri, bytes, sha256) SELECT * FROM gone
)
SELECT (SELECT max(id) FROM batch) AS last, (SELECT count(*) FROM gone) AS checkpoints,
       (SELECT coalesce(sum(bytes), 0)::bigint FROM gone) AS bytes
FROM owner
