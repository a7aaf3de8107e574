DROP FUNCTION finish_search_if_done(bigint, bigint);
DROP FUNCTION number_endings(bigint);
DROP FUNCTION crash_evidence(bigint, text, boolean);
DROP FUNCTION write_result(bigint, bigint, bigint, outcome, text);
DROP FUNCTION curve_result(bigint, outcome);
ALTER TABLE identity DROP COLUMN store_id, DROP COLUMN store_url;
COMMENT ON COLUMN checkpoint.uri IS 'Where it is: URL of the checkpoint store and the key in it';
ALTER TABLE checkpoint DROP COLUMN key;
COMMENT ON TABLE maintenance IS 'When each service that any worker may run was last run by one';
ALTER TABLE maintenance DROP COLUMN holder, DROP COLUMN until;
COMMENT ON TYPE attempt_end IS 'finished: with an outcome; released: given back by a stopping worker; retried: an error, counted as a crash; lost: its lease expired';
COMMENT ON COLUMN attempt.error IS 'The error that ended it';
ALTER TABLE worker DROP COLUMN fault, DROP COLUMN fault_at;
COMMENT ON COLUMN job.attempts IS 'How often it was claimed';
COMMENT ON COLUMN job.crashes IS 'Attempts that were lost or ended by a passing error; the fifth fails the job';
UPDATE job SET crashes = 5 WHERE crashes > 5;
ALTER TABLE job
    DROP COLUMN losses, DROP COLUMN crash_step, DROP COLUMN crash_hosts,
    DROP CONSTRAINT job_crashes_check,
    ADD CONSTRAINT job_crashes_check CHECK (crashes BETWEEN 0 AND 5);
