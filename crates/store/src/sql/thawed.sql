-- The jobs of a search that are resumed for an interval now. $1 search.
-- From the few leases to their jobs, one by one: a join may choose to go through all jobs of the search.
SELECT job_id, fence FROM lease
WHERE thaw AND (SELECT search_id FROM job WHERE job.id = lease.job_id) = $1 ORDER BY job_id
