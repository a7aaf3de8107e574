-- The networks of a search, in the columns that an import reads, and how their jobs ended.
-- $1 search_id
SELECT t.job_id, coalesce(l.genome ->> 'genome', l.genome ->> 'net', l.genome::text) AS genome, t.flops, t.parameters,
       t.hash, t.seed, t.mode::text AS mode, t.outcome::text AS outcome
FROM job_outcome t
JOIN lineage l ON l.architecture_id = t.architecture_id
WHERE t.job_id IN (SELECT job_id FROM job_outcome WHERE search_id = $1 /* and filter */)
ORDER BY t.job_id
