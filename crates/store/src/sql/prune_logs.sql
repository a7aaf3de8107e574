-- Removes the log lines of a batch of attempts that ended long ago; their errors stay. $1 seconds, $2 batch.
UPDATE attempt SET log = NULL
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM attempt
    WHERE log IS NOT NULL AND ended_at < now() - make_interval(secs => $1)
    ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
