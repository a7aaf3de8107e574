-- Points of curves, found by the seed of their job.
-- $1 search, $2 seeds, $3 steps, $4 epochs, $5 val_acc, $6 train_acc, $7 val_loss, $8 train_loss, $9 seconds,
-- $10 predictions, $11 decisions
INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds, prediction,
                         decision, reason)
SELECT j.id, 0, t.step, t.epoch, t.val_acc, t.train_acc, t.val_loss, t.train_loss, t.seconds, t.prediction,
       t.decision::decision, CASE WHEN t.decision IS NOT NULL THEN 'as recorded' END
FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     AS t (seed, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds, prediction, decision)
JOIN job j ON j.search_id = $1 AND j.seed = t.seed
ORDER BY j.id, t.step
