-- Writes what a batch adds to one shard since it took over posts; held, until the batch's row is locked and looked at.
-- Locks: none but its own row. Rows: none.
INSERT INTO deltas (shard, batch_id, part, edges, mentions, payload, days, held)
VALUES (
  %(shard)s::smallint, %(batch_id)s::bigint, %(part)s::integer, %(edges)s::integer, %(mentions)s::bigint,
  %(payload)s::bytea, %(days)s::bytea, true
);
