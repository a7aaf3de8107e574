-- What it takes to take up a frozen job of a search, in epochs, by the median: from the claim until its first interval was recorded,
-- less the training of that interval. $1 search.
SELECT count(*) AS resumed,
       percentile_cont(0.5) WITHIN GROUP (
           ORDER BY search.interval * greatest(extract(epoch FROM recorded_at - started_at)::float8 / seconds - 1, 0)
       ) AS epochs
FROM search
JOIN job ON job.search_id = search.id
JOIN attempt ON attempt.job_id = job.id AND attempt.chance IS NOT NULL
JOIN observation ON observation.job_id = job.id AND observation.step = attempt.first_step AND observation.fence = attempt.fence
WHERE search.id = $1 AND seconds > 0
