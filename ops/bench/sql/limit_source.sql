-- Edges to be merged, into the local table.
INSERT INTO bench.limit_source (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
SELECT d.source_id, d.target_id, d.mention_count, d.weight, d.weighed_at, d.first_seen, d.last_seen
FROM unnest(
  %(source_ids)s::bigint[], %(target_ids)s::bigint[], %(mention_counts)s::bigint[], %(weights)s::double precision[],
  %(weighed_at)s::timestamptz[], %(first_seen)s::timestamptz[], %(last_seen)s::timestamptz[]
) AS d (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen);
