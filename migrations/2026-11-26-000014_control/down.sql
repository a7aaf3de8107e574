DROP FUNCTION begin_search_deletion(bigint);
DROP FUNCTION deletion_obstacles(bigint);
DROP FUNCTION note_jobs_from_outside(bigint, bigint);
DROP FUNCTION open_for_jobs(bigint, bigint, boolean);
DROP FUNCTION cancel_search(bigint);
DROP FUNCTION cancel_jobs(bigint[]);
DROP FUNCTION set_search_paused(bigint, boolean);
