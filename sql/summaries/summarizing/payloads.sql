-- What a few deltas of a shard hold. No locks: they stay until they are summarized.
SELECT batch_id, payload, days FROM deltas
WHERE shard = %(shard)s::smallint AND batch_id = ANY(%(batch_ids)s::bigint[]);
