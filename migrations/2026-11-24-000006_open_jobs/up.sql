-- Why: idle workers ask every second which searches have nothing left to start. Without an index of their open jobs that
-- reads every job that a search has ever had.
CREATE INDEX job_open ON job (search_id) WHERE state IN ('ready', 'waiting', 'paused');
COMMENT ON INDEX job_open IS 'Jobs of a search that are still to be started';
