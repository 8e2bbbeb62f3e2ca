-- The heaviest edges of the whole graph. Reads every edge: for small graphs and for people, not for requests. Locks:
-- none. Rows: one for each edge, `limit` at most.
SELECT s.spelling AS source, t.spelling AS target, top.mention_count, top.weight
FROM (
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE source_id <> target_id
  ORDER BY weight DESC, source_id, target_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS s ON s.id = top.source_id
INNER JOIN users AS t ON t.id = top.target_id
ORDER BY top.weight DESC, s.handle, t.handle;
