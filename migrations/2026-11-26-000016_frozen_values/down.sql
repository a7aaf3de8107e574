-- Postgres takes no value out of an enum; without the next migration nothing has these.
SELECT 1;
