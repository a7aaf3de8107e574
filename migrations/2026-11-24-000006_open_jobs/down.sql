DROP INDEX job_open;
