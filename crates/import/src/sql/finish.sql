-- The order of endings is the order of the file.
-- $1 search
INSERT INTO finish (search_id, job_id, ordinal, fitness, step, outcome)
SELECT search_id, job_id, row_number() OVER (ORDER BY job_id), fitness, step, outcome
FROM result WHERE search_id = $1
ORDER BY job_id
