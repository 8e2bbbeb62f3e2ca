-- The number of edges of the graph: counted without self-mentions if the table has up to 1 MB, and estimated with them
-- if it is larger. Locks: none. Rows: one.
SELECT
  CASE
    WHEN s.is_small THEN (SELECT count(*) FROM edges WHERE source_id <> target_id)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'edges'::regclass)
  END::bigint AS edges,
  NOT s.is_small AS estimated
FROM (SELECT pg_relation_size('edges') < 1000000 AS is_small) AS s;
