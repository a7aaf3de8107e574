-- Jobs that were claimed more than once, and what failed.
-- $1 search_id
SELECT count(*) FILTER (WHERE attempts > 1) AS claimed_again, count(*) FILTER (WHERE crashes > 0) AS crashed,
       coalesce(sum(crashes), 0) AS crashes, count(*) FILTER (WHERE outcome = 'failed') AS failed,
       mode() WITHIN GROUP (ORDER BY error) FILTER (WHERE error IS NOT NULL) AS commonest_error
FROM job_outcome
WHERE search_id = $1
/* and filter */
