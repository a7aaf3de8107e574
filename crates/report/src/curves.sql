-- Learning curves of the jobs asked for, each in order.
-- $1 numbers of the jobs
SELECT job_id, step, epoch, val_acc, train_acc, train_loss, prediction, low_80, high_80, decision::text AS decision
FROM observation
WHERE job_id = ANY($1)
ORDER BY job_id, step
