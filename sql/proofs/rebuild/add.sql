-- Adds edges to the shadow, as graph/edges/merge does to the graph. The given rows are unique by key. Locks: the caller
-- holds the rebuild's lock. Rows: none.
INSERT INTO edges_shadow AS e (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
SELECT d.source_id, d.target_id, d.mention_count, d.weight, d.weighed_at, d.first_seen, d.last_seen
FROM unnest(
  %(source_ids)s::bigint[], %(target_ids)s::bigint[], %(mention_counts)s::bigint[], %(weights)s::double precision[],
  %(weighed_at)s::timestamptz[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[]
) AS d (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
ON CONFLICT (source_id, target_id) DO UPDATE SET
  mention_count = e.mention_count + excluded.mention_count,
  weight = effective_weight(
    e.weight, e.weighed_at, greatest(e.weighed_at, excluded.weighed_at), %(half_life_seconds)s::double precision
  ) + effective_weight(
    excluded.weight, excluded.weighed_at, greatest(e.weighed_at, excluded.weighed_at),
    %(half_life_seconds)s::double precision
  ),
  weighed_at = greatest(e.weighed_at, excluded.weighed_at),
  first_seen = least(e.first_seen, excluded.first_seen),
  last_seen = greatest(e.last_seen, excluded.last_seen);
