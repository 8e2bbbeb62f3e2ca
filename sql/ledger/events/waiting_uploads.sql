-- The uploads whose deltas a merge of this shard would take now, and the zips that hold these uploads. Locks: none.
-- Rows: one for each upload.
SELECT DISTINCT held.id
FROM (
  SELECT batch_id FROM deltas
  WHERE shard = %(shard)s::smallint AND merged_at IS NULL AND NOT held
  ORDER BY batch_id
  LIMIT %(limit)s::integer
) AS d
INNER JOIN batches AS b ON b.id = d.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
CROSS JOIN LATERAL (VALUES (u.id), (u.parent_id)) AS held (id)
WHERE held.id IS NOT NULL;
