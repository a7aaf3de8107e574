-- What a report is cited by: the search, how it was made, how many jobs it has, and the database's time.
-- $1 name of the search
SELECT s.id AS search_id, s.name AS search, s.state::text AS state, s.engine, s.spec_hash, s.version, s.max_epochs,
       s."interval" AS interval_epochs, s.created_at, s.finished_at, now() AS as_of,
       (SELECT count(*) FROM job j WHERE j.search_id = s.id) AS jobs,
       (SELECT count(*) FROM result r WHERE r.search_id = s.id) AS ended
FROM search s
WHERE s.name = $1
