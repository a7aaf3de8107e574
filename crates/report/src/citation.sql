-- What a report is cited by: the search, how it was made, how many jobs it has, and the database's time.
-- $1 name of the search
SELECT search_id, search, state::text AS state, engine, spec_hash, version, max_epochs, "interval" AS interval_epochs,
       created_at, finished_at, now() AS as_of, jobs, jobs - waiting - running - frozen AS ended, spec
FROM search_summary
WHERE search = $1
