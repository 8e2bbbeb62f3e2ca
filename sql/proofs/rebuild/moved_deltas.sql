-- A few deltas by which the graph differs from the batches that were recounted: in the graph, but of another batch (1),
-- or taken out of the graph since (-1). Of a recounted batch, only the parts up to one were recounted. By batch, part
-- and shard, after one. Locks: none. Rows: one for each delta, `limit` at most.
SELECT d.batch_id, d.part, d.shard, d.payload, CASE WHEN k.batch_id IS NULL THEN 1 ELSE -1 END AS effect
FROM deltas AS d
LEFT JOIN unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
  ON k.batch_id = d.batch_id AND k.part >= d.part
WHERE
  (d.batch_id, d.part, d.shard) > (%(after_batch)s::bigint, %(after_part)s::integer, %(after_shard)s::smallint)
  AND (
    (d.sign = 1 AND d.merged_at IS NOT NULL) OR (d.sign = -1 AND d.merged_at IS NULL)
  ) <> (k.batch_id IS NOT NULL)
ORDER BY d.batch_id, d.part, d.shard
LIMIT %(limit)s::integer;
