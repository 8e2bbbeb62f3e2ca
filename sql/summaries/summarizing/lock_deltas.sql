-- Locks deltas that are to be marked. A transaction that withdraws these deltas, or merges them again, locks them in an
-- order of its own. This statement does not wait for it, so the two never wait for each other; the summary is tried
-- again later. Locks: the deltas' rows, NOWAIT. Rows: one for each delta.
SELECT d.batch_id
FROM deltas AS d
INNER JOIN unnest(%(shards)s::smallint[], %(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (shard, batch_id, part)
  ON k.shard = d.shard AND k.batch_id = d.batch_id AND k.part = d.part
FOR NO KEY UPDATE OF d NOWAIT;
