-- Keeps what the scheduler of a search has learned, unless somebody has kept as much meanwhile under the same settings and version.
-- $1 search, $2 ordinal, $3 id of what had it, $4 fingerprint, $5 state.
INSERT INTO scheduler_state (search_id, ordinal, learned_id, fingerprint, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (search_id) DO UPDATE
SET ordinal = excluded.ordinal, learned_id = excluded.learned_id, fingerprint = excluded.fingerprint, state = excluded.state,
    kept_at = now()
WHERE scheduler_state.fingerprint <> excluded.fingerprint OR scheduler_state.ordinal < excluded.ordinal
