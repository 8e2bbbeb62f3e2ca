-- The oldest pending deltas of a shard. The shard's lock is held.
SELECT batch_id, sign, payload FROM deltas
WHERE shard = %(shard)s::smallint AND merged_at IS NULL AND NOT held
ORDER BY batch_id
LIMIT %(limit)s::integer;
