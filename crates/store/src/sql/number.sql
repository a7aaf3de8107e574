-- Numbers the committed endings of a search that have no ordinal yet. $1 search. The caller holds the lock.
UPDATE finish SET ordinal = numbered.ordinal
FROM (
    SELECT id, row_number() OVER (ORDER BY id)
               + coalesce((SELECT max(ordinal) FROM finish WHERE search_id = $1), 0) AS ordinal
    FROM finish WHERE search_id = $1 AND ordinal IS NULL
) AS numbered
WHERE finish.id = numbered.id
