-- Tells whether the archive has edges of a shard (a range of source ids). Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM edges_archive WHERE source_id BETWEEN %(lowest_id)s::bigint AND %(highest_id)s::bigint
) AS holds;
