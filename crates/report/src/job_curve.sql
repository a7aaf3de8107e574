-- Every point of one job with what the predictor said.
-- $1 job_id
SELECT step, epoch, val_acc, train_acc, val_loss, train_loss, seconds, prediction, low_80, high_80, low_90, high_90,
       decision::text AS decision, reason, recorded_at
FROM learning_curve
WHERE job_id = $1
ORDER BY step
