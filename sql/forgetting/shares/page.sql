-- A few of a shard's deltas, by batch and part, after one. Locks: none. Rows: one for each delta, `limit` at most.
SELECT batch_id, part, payload FROM deltas
WHERE shard = %(shard)s::smallint AND (batch_id, part) > (%(after_batch)s::bigint, %(after_part)s::integer)
ORDER BY batch_id, part
LIMIT %(limit)s::integer;
