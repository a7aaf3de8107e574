-- The jobs that a search observed to the end: a terminating search would have stopped some of them. In no order.
-- $1 search_id
SELECT job_id
FROM job_outcome
WHERE search_id = $1 AND mode = 'observe' AND true_fitness IS NOT NULL
/* and filter */
