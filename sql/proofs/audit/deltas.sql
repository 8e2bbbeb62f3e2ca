-- A few of a shard's deltas that are in the graph: merged, or not yet taken out again. By batch, after one batch.
-- Locks: none. Rows: one for each delta, `limit` at most.
SELECT batch_id, payload FROM deltas
WHERE
  shard = %(shard)s::smallint
  AND batch_id > %(after)s::bigint
  AND ((sign = 1 AND merged_at IS NOT NULL) OR (sign = -1 AND merged_at IS NULL))
ORDER BY batch_id
LIMIT %(limit)s::integer;
