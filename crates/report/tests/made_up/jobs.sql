-- $1 name, $2 jobs
WITH s AS (
    INSERT INTO search (name, spec, spec_hash, engine, max_epochs, "interval", budget, version)
    VALUES ($1, '{}', repeat('0', 64), 'peng', 20, 1, $2, '0.1.0')
    RETURNING id
), a AS (
    INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops)
    SELECT s.id, 'h' || i, '{}', 'conv ' || i, 1000 * i, 1000000::bigint * (1 + i * 37 % 101) FROM s, generate_series(1, $2) i
    RETURNING id, search_id
)
INSERT INTO job (search_id, architecture_id, seed, fence, state, mode, attempts, crashes)
SELECT search_id, id, 0, 1,
       (CASE WHEN n = 1 THEN 'diverged' WHEN n = 2 THEN 'failed' WHEN n = 3 THEN 'running'
             WHEN n % 10 IN (0, 5) OR n < 6 THEN 'completed' ELSE 'terminated' END)::job_state,
       (CASE WHEN n IN (4, 5) THEN 'promoted' WHEN n % 10 = 0 THEN 'audit' ELSE 'terminate' END)::job_mode,
       CASE WHEN n = 7 THEN 2 ELSE 1 END, CASE WHEN n = 7 THEN 1 ELSE 0 END
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM a) numbered
