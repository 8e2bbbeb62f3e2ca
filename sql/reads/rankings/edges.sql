-- The heaviest edges of the whole graph, with their weights at an instant, through the index on the score. Edges not
-- above the highest floor are left out, since another edge might be heavier. OFFSET 0 keeps PostgreSQL from looking for
-- each edge among all that its source makes, since a user's id is the same as that of the edge. Locks: none. Rows: one
-- for each edge, `limit` at most.
SELECT
  s.handle AS source, s.spelling AS source_spelling, t.handle AS target, t.spelling AS target_spelling,
  e.mention_count,
  least(e.mention_count, effective_weight(
    e.weight, e.weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision
  )) AS weight,
  e.first_seen, e.last_seen
FROM (
  SELECT h.source_id, h.target_id, h.score
  FROM top_edges AS h
  LEFT JOIN (
    SELECT score, source_id, target_id FROM top_edge_floors
    ORDER BY score DESC, source_id, target_id
    LIMIT 1
  ) AS f ON true
  WHERE
    f.score IS NULL OR h.score > f.score
    OR (h.score = f.score AND (h.source_id, h.target_id) < (f.source_id, f.target_id))
  ORDER BY h.score DESC, h.source_id, h.target_id
  LIMIT %(limit)s::integer
) AS top
CROSS JOIN LATERAL (
  SELECT mention_count, weight, weighed_at, first_seen, last_seen FROM edges
  WHERE source_id = top.source_id AND target_id = top.target_id
  OFFSET 0 -- noqa: AM09
) AS e
INNER JOIN users AS s ON s.id = top.source_id
INNER JOIN users AS t ON t.id = top.target_id
ORDER BY top.score DESC, top.source_id, top.target_id;
