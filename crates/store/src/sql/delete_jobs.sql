-- Deletes a batch of jobs of a search that is being deleted, with all that refers to them, by cascades, and their architectures.
-- Their checkpoints are discarded, so that a restore finds them. A batch ends with the job that fills it: jobs have curves of very
-- different lengths. Locks go from the search to the jobs, in the order of their numbers, and on to their leases. A worker that
-- still has one of the jobs is fenced out: it finds no job to write to. Arrays and pairs, so that
-- the planner cannot but go by index.
-- $1 search, $2 job after which to begin, $3 jobs at most, $4 observations after which the batch is full.
WITH owner AS MATERIALIZED (
    SELECT id FROM search WHERE id = $1 AND deleting_since IS NOT NULL FOR SHARE
), batch AS MATERIALIZED (
    SELECT id, sum(observations) OVER (ORDER BY id) - observations AS before
    FROM (
        SELECT id, coalesce((SELECT step FROM result WHERE result.job_id = job.id), 0) AS observations
        FROM job WHERE (search_id, id) > ($1, $2) AND (search_id, id) < ($1 + 1, 0) AND EXISTS (SELECT FROM owner)
        ORDER BY search_id, id LIMIT $3
    ) AS first
), mine AS MATERIALIZED (
    SELECT id, architecture_id FROM job WHERE id IN (SELECT id FROM batch WHERE before < $4) ORDER BY id FOR UPDATE
), pointers AS (
    DELETE FROM checkpoint WHERE job_id = ANY (ARRAY(SELECT id FROM mine))
    RETURNING job_id, step, fence, key, uri, bytes, sha256
), discarded AS (
    INSERT INTO discarded_checkpoint (job_id, step, fence, key, uri, bytes, sha256) SELECT * FROM pointers
), gone AS (
    DELETE FROM job WHERE id = ANY (ARRAY(SELECT id FROM mine))
), designs AS (
    DELETE FROM architecture
    WHERE id = ANY (ARRAY(SELECT architecture_id FROM mine)) AND NOT EXISTS (
        SELECT FROM job AS other WHERE other.architecture_id = architecture.id AND other.id NOT IN (SELECT id FROM mine)
    )
)
SELECT max(id) AS last, count(*) AS jobs FROM mine
