-- The first edges in which the graph and the shadow differ, with what each of them has. Reads every edge. Locks: none.
-- Rows: one for each edge that differs, `limit` at most.
SELECT
  coalesce(s.handle, '?') AS source, coalesce(t.handle, '?') AS target, d.found_count, d.wanted_count, d.found, d.wanted
FROM (
  SELECT
    coalesce(g.source_id, r.source_id) AS source_id, coalesce(g.target_id, r.target_id) AS target_id,
    g.mention_count AS found_count, r.mention_count AS wanted_count,
    effective_weight(g.weight, g.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS found,
    effective_weight(r.weight, r.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS wanted
  FROM (
    SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges
    UNION ALL
    SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges_archive
  ) AS g
  FULL JOIN (SELECT * FROM edges_shadow WHERE mention_count <> 0) AS r
    ON r.source_id = g.source_id AND r.target_id = g.target_id
) AS d
LEFT JOIN users AS s ON s.id = d.source_id
LEFT JOIN users AS t ON t.id = d.target_id
WHERE
  d.found_count IS DISTINCT FROM d.wanted_count
  OR abs(d.found - d.wanted) / greatest(d.found, d.wanted, %(light)s::double precision)
  > %(largest_deviation)s::double precision
ORDER BY d.source_id, d.target_id
LIMIT %(limit)s::integer;
