-- The payloads of a few deltas of a shard. Locks: none, since the deltas stay until they are summarized. Rows: one for
-- each delta.
SELECT d.batch_id, d.part, d.payload, d.days
FROM deltas AS d
INNER JOIN unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
  ON k.batch_id = d.batch_id AND k.part = d.part
WHERE d.shard = %(shard)s::smallint;
