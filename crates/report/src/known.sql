-- The jobs that say something about the predictor: trained to the end though it might have stopped them. Jobs of a
-- terminating search that it never stopped are not among them: there the prediction is the truth by definition. Those that it
-- set aside and that were taken up to the end were chosen, as promoted ones are. The predictions are those of the first
-- decision to stop. In no order: the client sorts them in less time.
-- $1 search_id
SELECT job_id, mode IN ('promoted', 'terminate') AS promoted,
       stop_epoch, stop_prediction AS prediction, believed_fitness, observed_fitness, true_fitness,
       coalesce(epochs_if_obeyed, epochs) AS epochs, stop_low_80 AS low_80, stop_high_80 AS high_80,
       stop_low_90 AS low_90, stop_high_90 AS high_90
FROM job_outcome
WHERE search_id = $1 AND true_fitness IS NOT NULL AND believed_fitness IS NOT NULL
  AND (mode <> 'terminate' OR stop_epoch < max_epochs)
/* and filter */
