-- Every point of the jobs that were trained to the end: what an engine can be replayed on.
-- $1 search_id
SELECT o.job_id, o.epoch, o.val_acc, o.train_acc, o.train_loss, t.flops
FROM (
    SELECT job_id, flops FROM job_outcome WHERE search_id = $1 AND true_fitness IS NOT NULL
    /* and filter */
) t
JOIN observation o ON o.job_id = t.job_id
ORDER BY o.job_id, o.step
