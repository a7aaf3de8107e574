-- From how many jobs, and from which, the truth is known.
-- $1 search_id
SELECT count(*) FILTER (WHERE outcome IN ('terminated', 'completed')) AS trained,
       count(*) FILTER (WHERE true_fitness IS NOT NULL AND mode = 'observe') AS observed,
       count(*) FILTER (WHERE true_fitness IS NOT NULL AND mode = 'audit') AS audited,
       count(*) FILTER (
           WHERE true_fitness IS NOT NULL AND (mode = 'promoted' OR mode = 'terminate' AND stop_epoch < max_epochs)
       ) AS promoted,
       count(*) FILTER (
           WHERE true_fitness IS NOT NULL AND mode = 'terminate' AND (stop_epoch < max_epochs) IS NOT TRUE
       ) AS never_stopped
FROM job_outcome
WHERE search_id = $1
/* and filter */
