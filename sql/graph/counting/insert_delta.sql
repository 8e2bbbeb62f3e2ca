-- Writes what a batch adds to one shard, in the transaction that flips the batch to counted. Locks: none but its own
-- row. Rows: none.
INSERT INTO deltas (shard, batch_id, edges, mentions, payload, days, held)
VALUES (
  %(shard)s::smallint, %(batch_id)s::bigint, %(edges)s::integer, %(mentions)s::bigint, %(payload)s::bytea,
  %(days)s::bytea, %(held)s::boolean
);
