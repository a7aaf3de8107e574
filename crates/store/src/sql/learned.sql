-- What a scheduler learns from: endings and freezes of a search from an ordinal on, in their order. $1 search, $2 ordinal.
SELECT id, ordinal, job_id, step, outcome, fitness FROM finish WHERE search_id = $1 AND ordinal >= $2
UNION ALL
SELECT id, ordinal, job_id, step, NULL, NULL FROM freezing WHERE search_id = $1 AND ordinal >= $2
ORDER BY ordinal
