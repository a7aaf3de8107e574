-- Points of the curves of some jobs behind those that are known of each. $1 jobs, $2 last known steps.
SELECT grown.*
FROM unnest($1::bigint[], $2::integer[]) AS known (job_id, step)
CROSS JOIN LATERAL (
    SELECT job_id, epoch, val_acc, train_acc, train_loss FROM observation
    WHERE observation.job_id = known.job_id AND observation.step > known.step ORDER BY observation.step
) AS grown
