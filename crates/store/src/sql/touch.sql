-- Notes that a worker lives, and tells it what it has to know. The note is written only now and then and does not wait for the
-- disk: a thousand idle workers must cost nothing. $1 worker, $2 seconds between two notes.
WITH asynchronous AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), noted AS (
    UPDATE worker SET last_seen_at = now()
    FROM asynchronous
    WHERE id = $1 AND last_seen_at < now() - make_interval(secs => $2)
)
SELECT state, (SELECT oldest_schema FROM compatibility) AS oldest_schema,
       coalesce((SELECT until < now() FROM maintenance WHERE name = 'reap'), true) AS leaderless
FROM worker WHERE id = $1
