-- Architectures and their jobs, in the order given. An architecture that was trained twice is there once.
-- $1 search, $2 hashes, $3 genomes, $4 summaries, $5 parameters, $6 flops, $7 seeds, $8 outcomes, $9 mode
WITH given AS MATERIALIZED (
    SELECT * FROM unnest($2, $3, $4, $5, $6, $7, $8)
        WITH ORDINALITY AS t (hash, genome, summary, parameters, flops, seed, state, place)
), added AS (
    INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops)
    SELECT $1, hash, genome::jsonb, summary, parameters, flops
    FROM (SELECT DISTINCT ON (hash) * FROM given ORDER BY hash, place) once
    ORDER BY place
    ON CONFLICT (search_id, hash) DO NOTHING
    RETURNING id, hash
), known AS (
    SELECT id, hash FROM added
    UNION ALL
    SELECT id, hash FROM architecture WHERE search_id = $1
)
INSERT INTO job (search_id, architecture_id, seed, state, mode)
SELECT $1, known.id, given.seed, given.state::job_state, $9::job_mode
FROM given JOIN known USING (hash)
ORDER BY given.place
