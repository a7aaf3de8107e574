-- Architectures that the search does not have yet, each with its job, in the order given; those that it has are left alone. Idle
-- workers are told; those of version 0.1 know the class alone. The search is locked first. Where it takes no jobs, or has got
-- others meanwhile, nothing is written and `added` is null. $1 search, $2 hashes, $3 genomes, $4 summaries, $5 parameters,
-- $6 flops, $7 generations, $8 parents as array literals, $9 modes, $10 priorities, $11 seed, $12 class, $13 last job that was seen
-- or null for whatever there is, $14 whether they come from outside, $15 whether the strategy has proposed all that it may.
WITH opened AS MATERIALIZED (
    SELECT state, is_open FROM open_for_jobs($1, $13, $14)
), proposed AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::jsonb[], $4::text[], $5::bigint[], $6::bigint[], $7::int[], $8::text[],
                         $9::text[], $10::smallint[])
        WITH ORDINALITY AS p (hash, genome, summary, parameters, flops, generation, parents, mode, priority, place)
    WHERE (SELECT is_open FROM opened)
), added AS (
    INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops, generation, parents)
    SELECT $1, hash, genome, summary, parameters, flops, generation, parents::bigint[] FROM proposed ORDER BY place
    ON CONFLICT (search_id, hash) DO NOTHING
    RETURNING id, hash
), jobs AS (
    INSERT INTO job (search_id, architecture_id, seed, mode, priority, class, state)
    SELECT $1, added.id, $11, mode::job_mode, priority, $12,
           CASE WHEN (SELECT state FROM opened) = 'paused' THEN 'paused' ELSE 'ready' END::job_state
    FROM added JOIN proposed USING (hash) ORDER BY place
    -- The list may hold an architecture twice.
    ON CONFLICT (architecture_id, seed) DO NOTHING
    RETURNING id
), done AS (
    UPDATE search SET proposing = false WHERE id = $1 AND $15 AND (SELECT is_open FROM opened)
), counted AS MATERIALIZED (
    SELECT count(*) AS added FROM jobs
)
SELECT state, CASE WHEN is_open THEN added END AS added,
       CASE WHEN added > 0 THEN pg_notify('peng_ready', $12) END AS told,
       CASE WHEN added > 1 THEN pg_notify('peng_ready', $12 || ' ' || added) END AS told_how_many,
       CASE WHEN added > 0 AND $14 THEN note_jobs_from_outside($1, added) END AS noted
FROM opened CROSS JOIN counted
