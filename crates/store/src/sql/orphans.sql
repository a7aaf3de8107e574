-- Which of the listed objects nothing points to, and nothing ever will. $1 jobs, $2 steps, $3 fences, $4 workers, as their
-- names say (null in names of version 0.1).
-- A pointer is committed only while its job runs under its fence (record.sql), which ends in the transaction that deletes the
-- lease; a fence is leased once, and its object is written after that lease was committed. The objects were listed before
-- this statement took its snapshot: a fence that has no lease in it has had one, and commits no pointer any more.
SELECT listed.place, attempt.job_id IS NOT NULL AS known
FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::uuid[]) WITH ORDINALITY
     AS listed (job_id, step, fence, worker_id, place)
LEFT JOIN attempt ON attempt.job_id = listed.job_id AND attempt.fence = listed.fence
                 AND attempt.worker_id = coalesce(listed.worker_id, attempt.worker_id)
WHERE NOT EXISTS (SELECT FROM lease WHERE lease.job_id = listed.job_id AND lease.fence = listed.fence)
  AND NOT EXISTS (
      SELECT FROM checkpoint
      WHERE checkpoint.job_id = listed.job_id AND checkpoint.step = listed.step AND checkpoint.fence = listed.fence
        AND (checkpoint.key IS NULL) = (listed.worker_id IS NULL)
        AND (listed.worker_id IS NULL OR checkpoint.key LIKE '%-' || listed.worker_id || '.ckpt')
  )
  -- What was discarded has a row until its time is over, see take_discarded.sql.
  AND NOT EXISTS (
      SELECT FROM discarded_checkpoint AS old
      WHERE old.job_id = listed.job_id AND old.step = listed.step AND old.fence = listed.fence
        AND (old.key IS NULL) = (listed.worker_id IS NULL)
        AND (listed.worker_id IS NULL OR old.key LIKE '%-' || listed.worker_id || '.ckpt')
  )
ORDER BY place
