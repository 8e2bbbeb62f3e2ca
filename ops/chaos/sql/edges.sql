-- Every edge, archived ones too.
SELECT s.handle AS source, t.handle AS target, e.mention_count
FROM (
  SELECT source_id, target_id, mention_count FROM edges
  UNION ALL
  SELECT source_id, target_id, mention_count FROM edges_archive
) AS e
LEFT JOIN users AS s ON s.id = e.source_id
LEFT JOIN users AS t ON t.id = e.target_id;
