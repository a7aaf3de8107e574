-- Running searches with nothing left to start: no job waits, and either all is proposed or no job trains whose end could
-- lead to a proposal. $1 search or null for all.
SELECT search.id FROM search
WHERE state = 'running' AND ($1 IS NULL OR id = $1)
  AND NOT EXISTS (
      SELECT FROM job WHERE job.search_id = search.id AND job.state IN ('ready', 'waiting', 'paused')
  )
  AND (
      NOT proposing
      OR NOT EXISTS (
          SELECT FROM lease
          WHERE NOT lease.thaw AND (SELECT search_id FROM job WHERE job.id = lease.job_id) = search.id
      )
  )
ORDER BY id
