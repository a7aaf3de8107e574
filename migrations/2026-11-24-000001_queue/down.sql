DROP TABLE maintenance, event, attempt, finish, result, checkpoint, observation, lease, worker, job, architecture, search;
DROP TYPE worker_state, attempt_end, decision, outcome, job_mode, job_state, search_state;
