-- What PostgreSQL itself can do: sorted INSERT … ON CONFLICT from a local table, one backend, in one go.
INSERT INTO bench.limit_edges AS e (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
FROM bench.limit_source ORDER BY source_id, target_id
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
