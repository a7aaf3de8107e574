-- After a restore: every running job is taken from its worker, wherever that is and whatever it has done since, and its fence
-- grows by a thousand, so that none of the attempts that the database has forgotten shares one with an attempt to come.
-- Locks go from the searches to the jobs and their leases, in the order of their numbers.
WITH running AS MATERIALIZED (
    SELECT id, search_id FROM job WHERE id IN (SELECT job_id FROM lease) AND state = 'running'
), owner AS MATERIALIZED (
    SELECT id, state FROM search WHERE id IN (SELECT search_id FROM running) ORDER BY id FOR SHARE
), mine AS MATERIALIZED (
    SELECT job.id, job.fence, owner.state AS search_state
    FROM running JOIN job ON job.id = running.id JOIN owner ON owner.id = job.search_id
    WHERE job.state = 'running' ORDER BY job.id FOR UPDATE OF job
), leased AS MATERIALIZED (
    SELECT mine.id, mine.search_state, lease.thaw, lease.cancel
    FROM mine JOIN lease ON lease.job_id = mine.id
    ORDER BY mine.id FOR UPDATE OF lease
), held AS (
    DELETE FROM lease USING leased WHERE lease.job_id = leased.id
    RETURNING lease.job_id, CASE WHEN leased.thaw AND EXISTS (SELECT FROM result WHERE result.job_id = leased.id)
                                      THEN 'terminated'
                                 WHEN leased.cancel OR leased.search_state = 'cancelled' THEN 'cancelled'
                                 WHEN leased.thaw THEN 'frozen'
                                 WHEN leased.search_state = 'paused' THEN 'paused' ELSE 'ready' END::job_state AS next
), ended AS (
    UPDATE attempt SET ended_at = now(), "end" = 'released', error = 'its fence was raised: the database had been restored'
    FROM mine WHERE attempt.job_id = mine.id AND attempt.fence = mine.fence
), moved AS (
    UPDATE job SET state = held.next, fence = job.fence + 1000 FROM held WHERE job.id = held.job_id
    RETURNING job.id, job.search_id, job.fence, job.state
), told AS (
    INSERT INTO event (search_id, job_id, kind, detail) SELECT search_id, id, 'fence_bumped', 'fence ' || fence FROM moved
)
SELECT id AS job_id, fence, state,
       CASE state WHEN 'cancelled' THEN write_result(id, search_id, fence, 'cancelled', NULL)
                  WHEN 'frozen' THEN note_freeze(id, search_id) END AS fitness
FROM moved
