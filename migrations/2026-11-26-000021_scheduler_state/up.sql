-- Why: a worker that joins a search of 100,000 endings would learn from each of them anew, for half a minute. Whoever has learned
-- much keeps it here for those who come later. It can be lost at any time: it only saves time.

CREATE TABLE scheduler_state (
    search_id   bigint PRIMARY KEY REFERENCES search ON DELETE CASCADE,
    ordinal     bigint NOT NULL CHECK (ordinal > 0),
    learned_id  bigint NOT NULL,
    fingerprint text NOT NULL CHECK (length(fingerprint) = 64),
    state       bytea NOT NULL,
    kept_at     timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE scheduler_state ALTER COLUMN state SET STORAGE EXTERNAL;
COMMENT ON TABLE scheduler_state IS 'What the scheduler of a search has learned so far, so that a new worker need not learn it anew; it may be deleted at any time';
COMMENT ON COLUMN scheduler_state.search_id IS 'The search';
COMMENT ON COLUMN scheduler_state.ordinal IS 'Ordinal of the last ending or freeze that was learned from';
COMMENT ON COLUMN scheduler_state.learned_id IS 'The ending, or negative the freeze, that had this ordinal: another one has it after a fail-over that lost the last commits';
COMMENT ON COLUMN scheduler_state.fingerprint IS 'SHA-256 of the settings, the target and the version of peng that it holds for';
COMMENT ON COLUMN scheduler_state.state IS 'What was learned, in the form of that version';
COMMENT ON COLUMN scheduler_state.kept_at IS 'When it was written';
