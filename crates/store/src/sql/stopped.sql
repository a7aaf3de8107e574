-- Terminated jobs that may be resumed for one interval, in the order of proposal. $1 search, $2 crash limit, $3 loss limit.
SELECT job.id AS job_id, job.fence, result.step, architecture.flops
FROM job
JOIN result ON result.job_id = job.id
JOIN architecture ON architecture.id = job.architecture_id
WHERE job.search_id = $1 AND job.state = 'terminated' AND job.mode = 'terminate' AND job.crashes < $2 AND job.losses < $3
ORDER BY job.id
