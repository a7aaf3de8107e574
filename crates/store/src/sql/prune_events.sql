-- Deletes a batch of events of long ago. $1 seconds, $2 batch.
DELETE FROM event WHERE id = ANY (ARRAY(
    SELECT id FROM event WHERE at < now() - make_interval(secs => $1) ORDER BY at LIMIT $2
))
