-- Jobs in groups from which every count and sum over them follows, so that the jobs are read once.
-- seconds_full: what a full training takes at the seconds per epoch of the same job.
-- $1 search_id
SELECT state::text AS state, outcome::text AS outcome, mode::text AS mode, true_fitness IS NOT NULL AS known, stop_epoch,
       CASE WHEN outcome = 'terminated' THEN epochs END AS left_at,
       count(*) AS jobs, sum(epochs) AS epochs, sum(coalesce(epochs_if_obeyed, epochs)) AS epochs_if_obeyed,
       sum(seconds) AS seconds, sum(seconds - stop_seconds) AS seconds_after_stop,
       sum(seconds * max_epochs / nullif(epochs, 0)) AS seconds_full, count(*) FILTER (WHERE seconds > 0) AS timed,
       count(*) FILTER (WHERE attempts > 1) AS claimed_again, count(*) FILTER (WHERE crashes > 0) AS crashed,
       sum(crashes)::bigint AS crashes
FROM job_outcome
WHERE search_id = $1
/* and filter */
GROUP BY job_outcome.state, job_outcome.outcome, job_outcome.mode, known, stop_epoch, left_at
ORDER BY job_outcome.state, stop_epoch, left_at
