-- Notes a round of reaping; whether the one before was within $1 seconds.
WITH before AS MATERIALIZED (
    SELECT last_at FROM maintenance WHERE name = 'reap' FOR UPDATE
), noted AS (
    INSERT INTO maintenance (name) VALUES ('reap') ON CONFLICT (name) DO UPDATE SET last_at = now()
)
SELECT coalesce((SELECT last_at >= now() - make_interval(secs => $1) FROM before), true) AS yes
