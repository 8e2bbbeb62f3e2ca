-- A few of a shard's deltas that are in the graph: merged, or not yet taken out again. By batch and part, after one
-- delta. Locks: none. Rows: one for each delta, `limit` at most.
SELECT batch_id, part, payload FROM deltas
WHERE
  shard = %(shard)s::smallint
  AND (batch_id, part) > (%(after_batch)s::bigint, %(after_part)s::integer)
  AND ((sign = 1 AND merged_at IS NOT NULL) OR (sign = -1 AND merged_at IS NULL))
ORDER BY batch_id, part
LIMIT %(limit)s::integer;
