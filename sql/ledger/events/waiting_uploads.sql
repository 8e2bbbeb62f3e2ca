-- The uploads whose deltas a merge of this shard would take now. Locks: none. Rows: one for each upload.
SELECT DISTINCT b.upload_id
FROM (
  SELECT batch_id FROM deltas
  WHERE shard = %(shard)s::smallint AND merged_at IS NULL AND NOT held
  ORDER BY batch_id
  LIMIT %(limit)s::integer
) AS d
INNER JOIN batches AS b ON b.id = d.batch_id;
