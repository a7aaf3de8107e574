-- Epochs and seconds trained, and what obeying each first decision to stop saves, over the jobs that were terminated
-- or completed: a job that diverged or failed was not ended by the predictor.
-- $1 search_id
SELECT count(*) AS jobs,
       count(*) FILTER (WHERE outcome = 'terminated') AS terminated,
       count(stop_epoch) AS converged,
       count(*) FILTER (WHERE stop_epoch < max_epochs) AS stops,
       avg(stop_epoch) AS mean_stop_epoch,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY stop_epoch) AS median_stop_epoch,
       coalesce(sum(epochs), 0) AS epochs_trained,
       coalesce(sum(coalesce(epochs_if_obeyed, epochs)), 0) AS epochs_if_obeyed,
       coalesce(sum(max_epochs), 0) AS epochs_full,
       coalesce(sum(seconds), 0) AS seconds_trained,
       coalesce(sum(seconds - stop_seconds) FILTER (WHERE outcome = 'completed' AND stop_epoch < max_epochs), 0)
           AS seconds_after_stop
FROM job_outcome
WHERE search_id = $1 AND outcome IN ('terminated', 'completed')
/* and filter */
