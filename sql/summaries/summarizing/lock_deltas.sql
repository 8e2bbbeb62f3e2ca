-- Row locks on deltas that are to be marked. Whoever withdraws them at this moment, or merges them again, has them in
-- an order of its own: nobody waits for it here, so nobody waits for each other. It is tried again another time.
SELECT d.batch_id
FROM deltas AS d
INNER JOIN unnest(%(shards)s::smallint[], %(batch_ids)s::bigint[]) AS k (shard, batch_id)
  ON k.shard = d.shard AND k.batch_id = d.batch_id
FOR NO KEY UPDATE OF d NOWAIT;
