DROP TABLE discarded_checkpoint;
DROP INDEX event_at;
DROP INDEX attempt_log;
DROP INDEX finish_job;
ALTER TABLE search DROP COLUMN deleting_since, DROP COLUMN archived_at;
