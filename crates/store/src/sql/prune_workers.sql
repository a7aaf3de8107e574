-- Deletes a batch of workers that were not seen for long and that no attempt names. One that comes back registers again.
-- $1 seconds, $2 batch.
DELETE FROM worker WHERE id = ANY (ARRAY(
    SELECT id FROM worker
    WHERE last_seen_at < now() - make_interval(secs => $1)
      AND NOT EXISTS (SELECT FROM attempt WHERE attempt.worker_id = worker.id)
      AND NOT EXISTS (SELECT FROM lease WHERE lease.worker_id = worker.id)
    LIMIT $2 FOR UPDATE SKIP LOCKED
))
