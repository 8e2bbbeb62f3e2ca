-- A few deltas by which the graph differs from the batches that were recounted: in the graph, but of another batch (1),
-- or taken out of the graph since (-1). By batch and shard, after one. Locks: none. Rows: one for each delta, `limit`
-- at most.
SELECT d.batch_id, d.shard, d.payload, CASE WHEN d.batch_id = ANY(%(batch_ids)s::bigint[]) THEN -1 ELSE 1 END AS effect
FROM deltas AS d
WHERE
  (d.batch_id, d.shard) > (%(after_batch)s::bigint, %(after_shard)s::smallint)
  AND (
    (d.sign = 1 AND d.merged_at IS NOT NULL) OR (d.sign = -1 AND d.merged_at IS NULL)
  ) <> (d.batch_id = ANY(%(batch_ids)s::bigint[]))
ORDER BY d.batch_id, d.shard
LIMIT %(limit)s::integer;
