-- Some of a shard's deltas, as they are now. Locks: the caller holds the shard's lock and the summaries', and has
-- locked the batches; the deltas' rows. Rows: one for each delta that is still there.
SELECT
  d.batch_id, d.part, d.payload, d.days, d.mentions, d.held, d.merged_at IS NOT NULL AS merged, d.sign,
  d.summarized_at IS NOT NULL AS summarized
FROM deltas AS d
INNER JOIN unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
  ON k.batch_id = d.batch_id AND k.part = d.part
WHERE d.shard = %(shard)s::smallint
ORDER BY d.batch_id, d.part
FOR NO KEY UPDATE OF d;
