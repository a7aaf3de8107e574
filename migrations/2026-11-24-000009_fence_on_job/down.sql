COMMENT ON TABLE lease IS 'The time-limited right of a worker to a running job; every fenced write goes through this row';
COMMENT ON COLUMN lease.cancel IS 'A person asked for the job to be cancelled; its worker sees it with the next renewal';
