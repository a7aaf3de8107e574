-- Why: a worker claims from where it claimed last, in the order of the whole queue, through all priorities. Postgres
-- begins an index scan at such a place only where all columns rise, hence the negated priority.
DROP INDEX job_ready;
-- Equality first: no ineligible row ever stands before an eligible one.
CREATE INDEX job_ready ON job (class, (-priority::integer), id) WHERE state = 'ready';
COMMENT ON INDEX job_ready IS 'The queue: ready jobs of a class, highest priority first, then oldest first';
