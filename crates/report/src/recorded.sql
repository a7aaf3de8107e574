-- Every point of the jobs that were trained to the end: what an engine can be replayed on.
-- $1 search_id
SELECT c.job_id, c.epoch, c.val_acc, c.train_acc, c.train_loss, t.flops, t.parameters
FROM (
    SELECT job_id, flops, parameters FROM job_outcome WHERE search_id = $1 AND true_fitness IS NOT NULL
    /* and filter */
) t
JOIN learning_curve c ON c.job_id = t.job_id
ORDER BY c.job_id, c.step
