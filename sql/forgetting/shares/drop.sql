-- Deletes a delta that holds nothing any more. Locks: the caller has locked the delta's row. Rows: none.
DELETE FROM deltas
WHERE shard = %(shard)s::smallint AND batch_id = %(batch_id)s::bigint AND part = %(part)s::integer;
