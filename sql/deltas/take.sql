-- The oldest pending deltas of a shard. The shard's lock is held.
SELECT batch_id, payload FROM deltas
WHERE shard = %(shard)s::smallint
ORDER BY batch_id
LIMIT %(limit)s::integer;
