-- The results of jobs that reaping has failed. A statement of its own: what an old worker wrote while the one before waited
-- for it is seen by a new snapshot only, and the result must agree with the curve. $1 jobs.
WITH cause AS (
    SELECT id, search_id, fence, 'crashed ' || crashes || ' workers; last error: ' || coalesce(
        (SELECT error FROM attempt WHERE job_id = job.id AND error IS NOT NULL AND "end" = 'retried'
         ORDER BY fence DESC LIMIT 1), 'the lease expired: the worker was killed, hung, or cut off') AS error
    FROM job WHERE id = ANY ($1)
), failed AS (
    INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness, error)
    SELECT cause.id, cause.search_id, cause.fence, coalesce(curve.step, 0), 'failed', coalesce(curve.epochs, 0),
           coalesce(curve.seconds, 0), curve.last, curve.best, cause.error
    -- Curve by curve: a join may choose to go through all observations.
    FROM cause CROSS JOIN LATERAL (
        SELECT max(step) AS step, max(epoch) AS epochs, sum(seconds) AS seconds,
               (array_agg(val_acc ORDER BY step DESC))[1] AS last, max(val_acc) AS best
        FROM observation WHERE observation.job_id = cause.id
    ) AS curve
    ON CONFLICT (job_id) DO UPDATE
    SET fence = excluded.fence, outcome = 'failed', final_fitness = NULL, fitness = NULL, error = excluded.error, finished_at = now()
    RETURNING job_id, search_id, step
)
INSERT INTO finish (search_id, job_id, step, outcome) SELECT search_id, job_id, step, 'failed' FROM failed
