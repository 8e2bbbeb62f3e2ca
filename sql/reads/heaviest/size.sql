-- How large the graph is. `is_small`: the table of edges has no more than so many bytes; then the edges are counted,
-- without self-mentions. Else they are estimated, with self-mentions. Locks: none. Rows: one.
SELECT
  s.is_small,
  CASE
    WHEN s.is_small THEN (SELECT count(*) FROM edges WHERE source_id <> target_id)
    ELSE (SELECT greatest(0, c.reltuples) FROM pg_class AS c WHERE c.oid = 'edges'::regclass)
  END::bigint AS edges
FROM (SELECT pg_relation_size('edges') <= %(small_bytes)s::bigint AS is_small) AS s;
