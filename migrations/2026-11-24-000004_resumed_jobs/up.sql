-- Why: a job that the predictor stopped may be resumed: for one interval, when its search has nothing left to start (it
-- is thawed), or to the full budget (it is promoted). Its result row stands until it ends again and is then replaced.

ALTER TABLE lease ADD COLUMN thaw boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN lease.thaw IS 'The job had been terminated and is resumed for one interval; an attempt without an outcome leaves it terminated';

ALTER TABLE attempt
    ADD COLUMN chance double precision CHECK (chance BETWEEN 0 AND 1),
    ADD COLUMN calibration bigint,
    ADD CHECK ((chance IS NULL) = (calibration IS NULL));
COMMENT ON COLUMN attempt.chance IS 'For a terminated job resumed for one interval: the chance of belonging to the best for which it was';
COMMENT ON COLUMN attempt.calibration IS 'Ordinal of the last finish that the engine knew of when it gave this chance; it can be recomputed from it';

COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker; retried: an error, counted as a crash; lost: its lease expired';
COMMENT ON TABLE finish IS 'History of endings, append-only: a resumed job ends again. What an engine knew when it decided is the finishes up to an ordinal';
