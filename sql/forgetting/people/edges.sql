-- The number of edges from and to some users, the archive's included, and of their mentions. Locks: none. Rows: one.
SELECT count(*) AS edges, coalesce(sum(mention_count), 0)::bigint AS mentions
FROM (
  SELECT mention_count FROM edges WHERE source_id = ANY(%(ids)s::bigint[]) OR target_id = ANY(%(ids)s::bigint[])
  UNION ALL
  SELECT mention_count FROM edges_archive
  WHERE source_id = ANY(%(ids)s::bigint[]) OR target_id = ANY(%(ids)s::bigint[])
) AS e;
