-- Take edges out of the graph again: counts and weight contributions, not first_seen and last_seen, which nobody can
-- take back one by one. Rows are unique by key, and there: they were merged before. Their shard's lock is held.
UPDATE edges AS e
SET
  mention_count = e.mention_count - d.mention_count,
  weight = weight_left(
    effective_weight(
      e.weight, e.weighed_at, greatest(e.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
    ),
    effective_weight(
      d.weight, d.weighed_at, greatest(e.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
    )
  ),
  weighed_at = greatest(e.weighed_at, d.weighed_at)
FROM unnest(
  %(source_ids)s::bigint[], %(target_ids)s::bigint[], %(mention_counts)s::bigint[], %(weights)s::double precision[],
  %(weighed_at)s::timestamptz[]
) AS d (source_id, target_id, mention_count, weight, weighed_at)
WHERE e.source_id = d.source_id AND e.target_id = d.target_id;
