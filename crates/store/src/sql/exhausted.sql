-- Running searches with nothing left to start: no job waits, and either all is proposed or no job trains whose end could
-- lead to a proposal; with what has ended or was set aside, so that nobody looks at one twice. One whose limit is reached has to wait for a job
-- that runs. $1 search or null for all.
SELECT search.id, greatest(last.ordinal, frozen.ordinal, 0) AS ordinal, search.proposing,
       EXISTS (SELECT FROM finish WHERE search_id = search.id AND finish.ordinal IS NULL)
       OR EXISTS (SELECT FROM freezing WHERE search_id = search.id AND freezing.ordinal IS NULL) AS unnumbered
FROM search
LEFT JOIN LATERAL (
    SELECT finish.ordinal FROM finish WHERE search_id = search.id AND finish.ordinal IS NOT NULL
    ORDER BY finish.ordinal DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT freezing.ordinal FROM freezing WHERE search_id = search.id AND freezing.ordinal IS NOT NULL
    ORDER BY freezing.ordinal DESC LIMIT 1
) AS frozen ON true
WHERE search.state = 'running' AND ($1::bigint IS NULL OR search.id = $1)
  AND NOT EXISTS (
      SELECT FROM job WHERE job.search_id = search.id AND job.state IN ('ready', 'waiting', 'paused')
  )
  AND (
      NOT proposing
      OR NOT EXISTS (
          SELECT FROM job
          WHERE job.search_id = search.id AND job.state = 'running'
            AND (SELECT NOT thaw FROM lease WHERE lease.job_id = job.id)
      )
  )
  AND (search.max_running IS NULL OR running_jobs(search.id) < search.max_running)
ORDER BY search.id
