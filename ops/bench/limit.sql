-- What PostgreSQL itself can do: the graph's own edges, sorted, in one INSERT … ON CONFLICT from a local table, one backend.
INSERT INTO limit_edges AS e (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
FROM limit_source ORDER BY source_id, target_id
ON CONFLICT (source_id, target_id) DO UPDATE SET
  mention_count = e.mention_count + excluded.mention_count,
  weight = effective_weight(e.weight, e.weighed_at, greatest(e.weighed_at, excluded.weighed_at), 604800)
  + effective_weight(excluded.weight, excluded.weighed_at, greatest(e.weighed_at, excluded.weighed_at), 604800),
  weighed_at = greatest(e.weighed_at, excluded.weighed_at),
  first_seen = least(e.first_seen, excluded.first_seen),
  last_seen = greatest(e.last_seen, excluded.last_seen);
