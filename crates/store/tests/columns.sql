-- Every column of every table, with its type and the primary key of its table.
SELECT c.relname::text AS table, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null, string_agg(k.attname::text, ', ' ORDER BY i.place) AS key
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_index p ON p.indrelid = c.oid AND p.indisprimary
CROSS JOIN LATERAL unnest(p.indkey[0:p.indnkeyatts - 1]) WITH ORDINALITY AS i (attnum, place)
JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = i.attnum
WHERE c.relkind = 'r' AND c.relname NOT LIKE '\_\_diesel%'
GROUP BY c.oid, c.relname, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull
ORDER BY c.relname, a.attnum
