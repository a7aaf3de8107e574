-- Takes discarded checkpoints whose time is over, the oldest first: their objects are to be deleted, then their rows. Whoever
-- dies in between leaves them to another one, after an hour. As in orphans.sql, an object of an attempt that still holds its
-- job may come to be pointed to again, unless it is that attempt that asks.
-- $1 seconds that they are kept, $2 how many, $3 job, $4 fence, $5 worker of the attempt that asks, or null.
WITH due AS MATERIALIZED (
    SELECT id FROM discarded_checkpoint AS old
    WHERE discarded_at <= now() - make_interval(secs => $1)
      AND (taken_at IS NULL OR taken_at < now() - interval '1 hour')
      AND NOT EXISTS (
          SELECT FROM lease
          WHERE lease.job_id = old.job_id AND lease.fence = old.fence
            AND (lease.job_id = $3 AND lease.fence = $4 AND lease.worker_id = $5) IS NOT TRUE
      )
      AND NOT EXISTS (
          SELECT FROM checkpoint
          WHERE checkpoint.job_id = old.job_id AND checkpoint.step = old.step AND checkpoint.fence = old.fence
            AND checkpoint.key IS NOT DISTINCT FROM old.key
      )
    ORDER BY discarded_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE discarded_checkpoint SET taken_at = now() FROM due WHERE discarded_checkpoint.id = due.id
RETURNING discarded_checkpoint.id, job_id, step, key, uri, bytes, sha256
