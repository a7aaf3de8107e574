-- A search that is finished from the beginning. No row: the name is taken.
-- $1 name, $2 spec, $3 hash, $4 engine, $5 max_epochs, $6 interval, $7 jobs, $8 version
INSERT INTO search (name, state, spec, spec_hash, engine, max_epochs, "interval", budget, version, finished_at)
VALUES ($1, 'finished', $2, $3, $4, $5, $6, $7, $8, now())
ON CONFLICT (name) DO NOTHING
RETURNING id
