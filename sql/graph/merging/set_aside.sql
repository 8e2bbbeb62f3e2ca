-- Holds a delta that cannot be merged, so that the delta does not keep the others of its shard waiting. Locks: the
-- caller holds the shard's lock. Rows: none.
UPDATE deltas SET held = true
WHERE
  shard = %(shard)s::smallint AND batch_id = %(batch_id)s::bigint AND part = %(part)s::integer AND merged_at IS NULL;
