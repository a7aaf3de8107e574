DROP TABLE scheduler_state;
