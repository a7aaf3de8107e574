-- Ends a batch of the jobs of a search that are set aside, if it has nothing else to do. $1 search, $2 ordinal, $3 batch.
SELECT job_id, fitness FROM stop_frozen_jobs($1, $2, $3)
