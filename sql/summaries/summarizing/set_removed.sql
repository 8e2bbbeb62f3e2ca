-- Marks these deltas as taken out of the summaries, in the transaction that took them out. Locks: the caller has locked
-- the deltas' rows. Rows: none.
UPDATE deltas AS d SET summarized_at = NULL, days_from = NULL
FROM unnest(%(shards)s::smallint[], %(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (shard, batch_id, part)
WHERE d.shard = k.shard AND d.batch_id = k.batch_id AND d.part = k.part AND d.summarized_at IS NOT NULL;
