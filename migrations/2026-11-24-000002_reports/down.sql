-- The role peng_read stays: it belongs to the cluster and other databases may use it. Its rights go with the views.
DROP VIEW worker_use, throughput, pareto_front, prediction_calibration, savings, predicted_rank, learning_curve, search_summary, job_outcome;
