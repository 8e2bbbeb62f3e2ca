-- Replaces what a delta holds. Locks: the caller has locked the delta's row. Rows: none.
UPDATE deltas
SET
  payload = %(payload)s::bytea, days = %(days)s::bytea, edges = %(edges)s::integer, mentions = %(mentions)s::bigint
WHERE shard = %(shard)s::smallint AND batch_id = %(batch_id)s::bigint AND part = %(part)s::integer;
