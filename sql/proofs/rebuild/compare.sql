-- Compares the graph and its archive with the shadow. `deviation` is relative, of the weights at one instant; a weight
-- below `light` counts as if it were that heavy. Reads every edge. Sums up what `differences` lists: one statement for
-- both would have to sort and join with users to count. Locks: none. Rows: one.
SELECT
  count(g.source_id) AS edges, count(r.source_id) AS rebuilt,
  count(*) FILTER (WHERE g.source_id IS NULL) AS missing,
  count(*) FILTER (WHERE r.source_id IS NULL) AS surplus,
  count(*) FILTER (WHERE g.mention_count <> r.mention_count) AS differing_counts,
  count(*) FILTER (WHERE w.deviation > %(largest_deviation)s::double precision) AS differing_weights,
  coalesce(max(w.deviation), 0) AS largest_deviation
FROM (
  SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges
  UNION ALL
  SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges_archive
) AS g
FULL JOIN (SELECT * FROM edges_shadow WHERE mention_count <> 0) AS r
  ON r.source_id = g.source_id AND r.target_id = g.target_id
CROSS JOIN LATERAL (
  SELECT
    effective_weight(g.weight, g.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS found,
    effective_weight(r.weight, r.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS wanted
) AS e
CROSS JOIN LATERAL (
  SELECT abs(e.found - e.wanted) / greatest(e.found, e.wanted, %(light)s::double precision) AS deviation
  WHERE g.mention_count = r.mention_count
  UNION ALL
  SELECT NULL WHERE g.mention_count IS DISTINCT FROM r.mention_count
) AS w;
