-- Why: an observation is fenced by the row of its job, which its foreign key locks anyway. The lease is written by renewals
-- and by whoever takes the job away, and by nothing else.
COMMENT ON TABLE lease IS 'The time-limited right of a worker to a running job; whoever takes the job away deletes this row and moves the job in one transaction, and whatever a worker writes is refused from then on';
COMMENT ON COLUMN lease.cancel IS 'A person asked for the job to be cancelled; its worker sees it with the next renewal or observation';
