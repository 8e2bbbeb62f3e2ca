-- A delta that cannot be merged is held, so that it does not keep the others of its shard waiting.
UPDATE deltas SET held = true
WHERE shard = %(shard)s::smallint AND batch_id = %(batch_id)s::bigint AND merged_at IS NULL;
