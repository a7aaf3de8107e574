-- Every point of the jobs of a search, in the columns that an import reads. Accuracies are in per cent.
-- $1 search_id
SELECT c.job_id, c.epoch, c.val_acc, c.train_acc, c.val_loss, c.train_loss, c.seconds, c.prediction,
       c.decision = 'stop' AS stop
FROM (
    SELECT job_id FROM job_outcome WHERE search_id = $1
    /* and filter */
) t
JOIN learning_curve c ON c.job_id = t.job_id
ORDER BY c.job_id, c.step
