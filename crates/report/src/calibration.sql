-- Errors of the predictions that stopped a job or would have, over the jobs whose truth is known: by epoch of decision
-- and all together of those observed or drawn for the audit, and all together of those chosen for their prediction, which
-- were promoted or resumed to the end.
-- $1 search_id
SELECT stop_epoch, chosen, count(*) AS jobs, avg(prediction - true_fitness) AS bias,
       avg(abs(prediction - true_fitness)) AS mean_absolute_error,
       sqrt(avg((prediction - true_fitness) ^ 2)) AS root_mean_square_error,
       count(low_80) AS with_interval_80, count(*) FILTER (WHERE true_fitness BETWEEN low_80 AND high_80) AS inside_80,
       avg(high_80 - low_80) AS width_80,
       count(low_90) AS with_interval_90, count(*) FILTER (WHERE true_fitness BETWEEN low_90 AND high_90) AS inside_90,
       avg(high_90 - low_90) AS width_90,
       avg(true_fitness - stop_fitness) AS gained_after_stop
FROM (SELECT *, mode IN ('promoted', 'terminate') AS chosen FROM job_outcome) AS job_outcome
WHERE search_id = $1 AND stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL
/* and filter */
GROUP BY GROUPING SETS ((stop_epoch, chosen), (chosen))
HAVING NOT (chosen AND grouping(stop_epoch) = 0)
ORDER BY chosen, stop_epoch NULLS LAST
