DROP VIEW prediction_calibration;
CREATE VIEW prediction_calibration AS
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
       avg(high_90 - low_90) AS width_90
FROM job_outcome
WHERE stop_epoch < max_epochs AND true_fitness IS NOT NULL AND prediction IS NOT NULL
GROUP BY search, search_id, stop_epoch;
COMMENT ON VIEW prediction_calibration IS 'Error of the predictions by epoch of decision, over the jobs that the predictor stopped or would have stopped before max_epochs and whose truth is known';
COMMENT ON COLUMN prediction_calibration.search IS 'Name of the search';
COMMENT ON COLUMN prediction_calibration.search_id IS 'Number of the search';
COMMENT ON COLUMN prediction_calibration.stop_epoch IS 'Epoch of the decision';
COMMENT ON COLUMN prediction_calibration.jobs IS 'Jobs with that epoch of decision and known truth';
COMMENT ON COLUMN prediction_calibration.bias IS 'Mean of prediction less truth, in points';
COMMENT ON COLUMN prediction_calibration.mean_absolute_error IS 'Mean of the absolute difference, in points';
COMMENT ON COLUMN prediction_calibration.root_mean_square_error IS 'Root of the mean squared difference, in points';
COMMENT ON COLUMN prediction_calibration.with_interval_80 IS 'Jobs whose prediction has an 80 % interval';
COMMENT ON COLUMN prediction_calibration.coverage_80 IS 'Share (0 to 1) of those whose truth lies in it';
COMMENT ON COLUMN prediction_calibration.width_80 IS 'Mean width of the 80 % intervals, in points';
COMMENT ON COLUMN prediction_calibration.with_interval_90 IS 'Jobs whose prediction has a 90 % interval';
COMMENT ON COLUMN prediction_calibration.coverage_90 IS 'Share (0 to 1) of those whose truth lies in it';
COMMENT ON COLUMN prediction_calibration.width_90 IS 'Mean width of the 90 % intervals, in points';
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'peng_read') THEN
        GRANT SELECT ON prediction_calibration TO peng_read;
    END IF;
END
$$;
