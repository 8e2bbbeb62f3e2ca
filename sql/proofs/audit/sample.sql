-- Edges at random, of the graph and of its archive. Reads every edge. Locks: none. Rows: one for each edge, `limit` at
-- most.
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
FROM (
  SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen FROM edges
  UNION ALL
  SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen FROM edges_archive
) AS e
ORDER BY random()
LIMIT %(limit)s::integer;
