-- Marks deltas as merged, in the transaction that merged them. Locks: the caller holds the shard's lock; the deltas'
-- rows. Rows: none.
UPDATE deltas SET merged_at = %(now)s::timestamptz
WHERE shard = %(shard)s::smallint AND batch_id = ANY(%(batch_ids)s::bigint[]);
