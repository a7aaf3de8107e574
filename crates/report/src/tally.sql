-- Jobs in groups from which every count and sum over them follows, so that the jobs are read once.
-- $1 search_id
SELECT state::text AS state, outcome::text AS outcome, mode::text AS mode, true_fitness IS NOT NULL AS known, stop_epoch,
       count(*) AS jobs, sum(epochs) AS epochs, sum(coalesce(epochs_if_obeyed, epochs)) AS epochs_if_obeyed,
       sum(seconds) AS seconds, sum(seconds - stop_seconds) AS seconds_after_stop,
       count(*) FILTER (WHERE attempts > 1) AS claimed_again, count(*) FILTER (WHERE crashes > 0) AS crashed,
       sum(crashes)::bigint AS crashes
FROM job_outcome
WHERE search_id = $1
/* and filter */
GROUP BY job_outcome.state, job_outcome.outcome, job_outcome.mode, known, stop_epoch
ORDER BY job_outcome.state, stop_epoch
