-- The deltas that were merged, in the transaction that merged them.
UPDATE deltas SET merged_at = %(now)s::timestamptz
WHERE shard = %(shard)s::smallint AND batch_id = ANY(%(batch_ids)s::bigint[]);
