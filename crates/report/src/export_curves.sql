-- Every point of the jobs of a search, in the columns that an import reads. Accuracies are in per cent.
-- $1 search_id
SELECT o.job_id, o.epoch, o.val_acc, o.train_acc, o.val_loss, o.train_loss, o.seconds, o.prediction,
       o.decision = 'stop' AS stop
FROM (
    SELECT job_id FROM job_outcome WHERE search_id = $1
    /* and filter */
) t
JOIN observation o ON o.job_id = t.job_id
ORDER BY o.job_id, o.step
