-- The deltas that were merged, in the transaction that merged them.
DELETE FROM deltas WHERE shard = %(shard)s::smallint AND batch_id = ANY(%(batch_ids)s::bigint[]);
