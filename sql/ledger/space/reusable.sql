-- The bytes that new payloads and deltas can take without that a file grows: what purges left in the TOAST tables of
-- both. Of a page of 8 KB, chunks of a value fill 97 %. What is deleted and not vacuumed yet is no room. Reads the
-- headers of all payloads, so it is asked only where room is short. Locks: none. Rows: one.
SELECT
  coalesce(
    sum(greatest(0, pg_relation_size(t.oid) - h.bytes * 1.03 - coalesce(s.n_dead_tup, 0) * 2048)), 0
  )::bigint AS bytes
FROM (
  SELECT 'batches'::regclass AS held_by, coalesce(sum(octet_length(payload)), 0) AS bytes FROM batches
  UNION ALL
  SELECT 'deltas'::regclass, coalesce(sum(octet_length(payload)::bigint + coalesce(octet_length(days), 0)), 0)
  FROM deltas
) AS h
INNER JOIN pg_class AS c ON c.oid = h.held_by
INNER JOIN pg_class AS t ON t.oid = c.reltoastrelid
LEFT JOIN pg_stat_all_tables AS s ON s.relid = t.oid;
