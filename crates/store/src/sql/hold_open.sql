-- Holds those of some jobs that have not ended, in the order of their numbers: until the transaction ends none of them is
-- claimed or given back. An observation under way is not waited for. $1 ids.
SELECT id FROM job
WHERE id = ANY ($1) AND state IN ('ready', 'running', 'waiting', 'paused')
ORDER BY id FOR KEY SHARE
