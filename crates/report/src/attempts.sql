-- The claims of the jobs that were terminated or completed: how often such a job began anew, how often of these because it had been
-- set aside, what it trained twice, and for how long workers held it. A claim that trained nothing counts for its time alone.
-- $1 search_id
SELECT coalesce(sum(greatest(j.trained - 1, 0)), 0)::bigint AS restarts, coalesce(sum(j.resumed), 0)::bigint AS resumptions,
       count(*) FILTER (WHERE j.resumed > 0) AS resumed, coalesce(sum(j.repeated), 0)::bigint AS repeated,
       coalesce(sum(j.trained), 0)::bigint AS starts, count(*) AS held_jobs, coalesce(sum(j.held), 0)::double precision AS held
FROM (
    SELECT count(a.first_step) AS trained, count(a.first_step) FILTER (WHERE a.chance IS NOT NULL) AS resumed,
           sum(a.repeated) AS repeated,
           sum(extract(epoch FROM coalesce(a.ended_at, now()) - a.started_at)) AS held
    FROM (
        SELECT job_id FROM job_outcome WHERE search_id = $1 AND outcome IN ('terminated', 'completed')
        /* and filter */
    ) t
    JOIN job_attempt a ON a.job_id = t.job_id
    GROUP BY t.job_id
) j
