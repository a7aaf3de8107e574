-- Cancels jobs that do not run. $1 ids.
WITH moved AS (
    UPDATE job SET state = 'cancelled', run_after = NULL
    WHERE id = ANY ($1) AND state IN ('ready', 'waiting', 'paused')
    RETURNING id, search_id, fence
), told AS (
    INSERT INTO event (search_id, job_id, kind) SELECT search_id, id, 'cancelled' FROM moved
), written AS (
    INSERT INTO result (job_id, search_id, fence, step, outcome, epochs, seconds, last_fitness, best_fitness)
    SELECT moved.id, moved.search_id, moved.fence, coalesce(curve.step, 0), 'cancelled', coalesce(curve.epochs, 0),
           coalesce(curve.seconds, 0), curve.last, curve.best
    -- Curve by curve: a join may choose to go through all observations.
    FROM moved CROSS JOIN LATERAL (
        SELECT max(step) AS step, max(epoch) AS epochs, sum(seconds) AS seconds,
               (array_agg(val_acc ORDER BY step DESC))[1] AS last, max(val_acc) AS best
        FROM observation WHERE observation.job_id = moved.id
    ) AS curve
    ON CONFLICT (job_id) DO UPDATE
    SET fence = excluded.fence, outcome = 'cancelled', final_fitness = NULL, fitness = NULL, error = NULL, finished_at = now()
    RETURNING job_id, search_id, step
)
INSERT INTO finish (search_id, job_id, step, outcome) SELECT search_id, job_id, step, 'cancelled' FROM written
