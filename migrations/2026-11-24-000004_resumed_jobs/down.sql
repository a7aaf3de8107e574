COMMENT ON TABLE finish IS 'History of endings, append-only: a promoted job ends twice. What an engine knew when it decided is the finishes up to an ordinal';
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker; retried: a passing error, counted as a crash; lost: its lease expired';
ALTER TABLE attempt DROP COLUMN chance, DROP COLUMN calibration;
ALTER TABLE lease DROP COLUMN thaw;
