-- The checkpoints from which a job may go on, newest first: those that are pointed to, and those that were discarded and still
-- exist, since a restored database may point to what has been deleted. $1 job.
SELECT step, key, uri, bytes, sha256, false AS discarded FROM checkpoint WHERE job_id = $1
UNION ALL
SELECT step, key, uri, bytes, sha256, true FROM discarded_checkpoint WHERE job_id = $1 AND taken_at IS NULL
ORDER BY step DESC, discarded
