-- The networks of a search, in the columns that an import reads, and how their jobs ended.
-- $1 search_id
SELECT t.job_id, coalesce(a.genome ->> 'genome', a.genome ->> 'net', a.genome::text) AS genome, t.flops, t.parameters,
       t.hash, t.seed, t.mode::text AS mode, t.outcome::text AS outcome
FROM job_outcome t
JOIN architecture a ON a.id = t.architecture_id
WHERE t.job_id IN (SELECT job_id FROM job_outcome WHERE search_id = $1 /* and filter */)
ORDER BY t.job_id
