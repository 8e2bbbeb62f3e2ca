-- What a batch adds to one shard, in the transaction that flips it to counted.
INSERT INTO deltas (shard, batch_id, edges, mentions, payload, days, held)
VALUES (
  %(shard)s::smallint, %(batch_id)s::bigint, %(edges)s::integer, %(mentions)s::bigint, %(payload)s::bytea,
  %(days)s::bytea, %(held)s::boolean
);
