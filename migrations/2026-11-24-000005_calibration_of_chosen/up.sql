-- Why: jobs that were resumed or promoted to the end were chosen for their prediction. Their errors say nothing about those
-- of other jobs, so they must not be averaged with them.
CREATE OR REPLACE VIEW prediction_calibration AS
SELECT search, search_id, stop_epoch,
       count(*) AS jobs,
       avg(prediction - true_fitness) AS bias,
       avg(abs(prediction - true_fitness)) AS mean_absolute_error,
       sqrt(avg((prediction - true_fitness) ^ 2)) AS root_mean_square_error,
       count(low_80) AS with_interval_80,
       avg((true_fitness BETWEEN low_80 AND high_80)::integer::double precision) AS coverage_80,
       avg(high_80 - low_80) AS width_80,
       count(low_90) AS with_interval_90,
       avg((true_fitness BETWEEN low_90 AND high_90)::integer::double precision) AS coverage_90,
       avg(high_90 - low_90) AS width_90,
       mode IN ('promoted', 'terminate') AS chosen
FROM job_outcome
WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL
GROUP BY search, search_id, stop_epoch, mode IN ('promoted', 'terminate');
COMMENT ON COLUMN prediction_calibration.chosen IS 'Whether these jobs were resumed or promoted to the end for their prediction, and so are no sample; the others were observed or drawn for the audit';
