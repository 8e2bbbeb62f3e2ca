-- Every edge of some authors, archived ones among them, by handle.
SELECT
  s.handle AS source, t.handle AS target, e.mention_count,
  (extract(epoch FROM e.first_seen) * 1000000)::bigint AS first_seen,
  (extract(epoch FROM e.last_seen) * 1000000)::bigint AS last_seen
FROM users AS s
INNER JOIN (
  SELECT source_id, target_id, mention_count, first_seen, last_seen FROM edges
  UNION ALL
  SELECT source_id, target_id, mention_count, first_seen, last_seen FROM edges_archive
) AS e ON e.source_id = s.id
INNER JOIN users AS t ON t.id = e.target_id
WHERE s.handle COLLATE "C" = ANY(%(handles)s::text[]);
