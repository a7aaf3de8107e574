-- What training the terminated jobs to the end would have taken more: the intervals left times the seconds of the last
-- one trained, which one index look-up per job finds. The first interval, often much slower, does not count.
-- $1 search_id
SELECT coalesce(sum((t.max_epochs - t.epochs) / (t.epochs / t.step) * c.seconds), 0)::double precision AS seconds_saved,
       count(c.seconds) AS seconds_jobs
FROM (
    SELECT job_id, epochs, max_epochs, step
    FROM job_outcome
    WHERE search_id = $1 AND outcome = 'terminated' AND step > 0 AND epochs > 0
    /* and filter */
) t
-- LIMIT: one look-up per job by the primary key, instead of a join that reads all observations.
LEFT JOIN LATERAL (SELECT seconds FROM learning_curve WHERE job_id = t.job_id AND step = t.step LIMIT 1) c ON true
