-- Makes one worker the one that does for all what one can, for a short term, and notes its round. No row: another one is. After
-- a longer gap than its leases bear, the database was away and not the workers: all leases are extended first, in the order of
-- their jobs. Who is not elected writes nothing and locks nothing. $1 worker, $2 seconds of the term, $3 seconds of the gap.
WITH before AS MATERIALIZED (
    SELECT last_at, holder, until FROM maintenance WHERE name = 'reap'
), elected AS (
    INSERT INTO maintenance (name, holder, until)
    SELECT 'reap', $1, now() + make_interval(secs => $2)
    WHERE NOT EXISTS (SELECT FROM before WHERE holder <> $1 AND until >= now())
    ON CONFLICT (name) DO UPDATE SET last_at = now(), holder = excluded.holder, until = excluded.until
    WHERE maintenance.holder IS NULL OR maintenance.holder = excluded.holder OR maintenance.until < now()
    RETURNING name
), silent AS MATERIALIZED (
    SELECT job_id FROM lease
    WHERE (SELECT count(*) FROM elected) = 1
      AND (SELECT last_at FROM before) < now() - make_interval(secs => $3) AND expires_at < now() + ttl
    ORDER BY job_id FOR UPDATE
), extended AS (
    UPDATE lease SET expires_at = now() + ttl FROM silent WHERE lease.job_id = silent.job_id RETURNING lease.job_id
), told AS (
    INSERT INTO event (kind, detail)
    SELECT 'leases_extended', count(*) || ' leases, after a gap in reaping' FROM extended HAVING count(*) > 0
)
SELECT (SELECT count(*) FROM extended) AS extended FROM elected
