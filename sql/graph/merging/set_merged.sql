-- Marks deltas as merged, in the transaction that merged them. Locks: the caller holds the shard's lock; the deltas'
-- rows. Rows: none.
UPDATE deltas AS d SET merged_at = %(now)s::timestamptz
FROM unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
WHERE d.shard = %(shard)s::smallint AND d.batch_id = k.batch_id AND d.part = k.part;
