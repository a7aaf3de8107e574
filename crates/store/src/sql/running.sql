-- The jobs of a search that run now, and whether each was taken up again after it had been set aside. $1 search.
SELECT job.id AS job_id, lease.thaw AS resumed
FROM job JOIN lease ON lease.job_id = job.id
WHERE job.search_id = $1 AND job.state = 'running' ORDER BY job.id
