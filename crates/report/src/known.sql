-- The jobs that say something about the predictor: trained to the end though it might have stopped them. Jobs of a
-- terminating search that it never stopped are not among them: there the belief is the truth by definition. Those that it
-- stopped and that were resumed to the end were chosen, as promoted ones are. In no order: the client sorts them in less
-- time.
-- $1 search_id
SELECT job_id, mode IN ('promoted', 'terminate') AS promoted,
       stop_epoch, prediction, believed_fitness, observed_fitness, true_fitness,
       coalesce(epochs_if_obeyed, epochs) AS epochs, low_80, high_80, low_90, high_90
FROM job_outcome
WHERE search_id = $1 AND true_fitness IS NOT NULL AND believed_fitness IS NOT NULL
  AND (mode <> 'terminate' OR stop_epoch < max_epochs)
/* and filter */
