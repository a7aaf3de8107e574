DROP INDEX job_ready;
CREATE INDEX job_ready ON job (class, priority DESC, id) WHERE state = 'ready';
