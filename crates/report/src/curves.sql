-- Learning curves of the jobs asked for, each in order.
-- $1 numbers of the jobs
SELECT job_id, epoch, val_acc
FROM learning_curve
WHERE job_id = ANY($1)
ORDER BY job_id, step
