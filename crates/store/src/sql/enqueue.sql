-- Architectures that the search does not have yet, each with its job, in the order given. Those that it has are left
-- alone. $1 search, $2 hashes, $3 genomes, $4 summaries, $5 parameters, $6 flops, $7 generations, $8 parents as array
-- literals, $9 modes, $10 priorities, $11 seed, $12 class, $13 state.
WITH proposed AS MATERIALIZED (
    SELECT * FROM unnest($2::text[], $3::jsonb[], $4::text[], $5::bigint[], $6::bigint[], $7::int[], $8::text[],
                         $9::text[], $10::smallint[])
        WITH ORDINALITY AS p (hash, genome, summary, parameters, flops, generation, parents, mode, priority, place)
), added AS (
    INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops, generation, parents)
    SELECT $1, hash, genome, summary, parameters, flops, generation, parents::bigint[] FROM proposed ORDER BY place
    ON CONFLICT (search_id, hash) DO NOTHING
    RETURNING id, hash
)
INSERT INTO job (search_id, architecture_id, seed, mode, priority, class, state)
SELECT $1, added.id, $11, mode::job_mode, priority, $12, $13::text::job_state
FROM added JOIN proposed USING (hash) ORDER BY place
-- The list may hold an architecture twice.
ON CONFLICT (architecture_id, seed) DO NOTHING
