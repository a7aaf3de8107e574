-- A running search that has no job to start and none that runs is finished, if nothing has ended since the ordinal that its
-- worker knew of. While one of its jobs runs nothing is locked. $1 search, $2 ordinal or null for whatever has ended.
SELECT finish_search_if_done($1, $2) AS name
WHERE NOT EXISTS (SELECT FROM job WHERE search_id = $1 AND state = 'running')
