-- Jobs by epoch of the first decision to stop, obeyed or not.
-- $1 search_id
SELECT stop_epoch, count(*) AS jobs
FROM job_outcome
WHERE search_id = $1 AND outcome IN ('terminated', 'completed') AND stop_epoch IS NOT NULL
/* and filter */
GROUP BY stop_epoch
ORDER BY stop_epoch
