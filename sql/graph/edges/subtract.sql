-- Takes edges out of the graph again: counts and weight contributions. first_seen and last_seen stay, since nobody can
-- take them back one by one. The given rows are unique by key, and the graph holds each: they were merged before.
-- Weights meet at the later of two instants. What is left of a weight is right to 1e-12 of the weight before, so
-- mentions some 40 half-lives older than those taken out keep their count and lose their weight. Locks: the caller
-- holds the shard's lock. Rows: none; the count of updated rows is the answer.
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
