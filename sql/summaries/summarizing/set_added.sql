-- Marks these deltas as added to the summaries, in the transaction that added them. Locks: the caller has locked the
-- deltas' rows. Rows: none.
UPDATE deltas AS d SET summarized_at = %(now)s::timestamptz, days_from = %(days_from)s::date
FROM unnest(%(shards)s::smallint[], %(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (shard, batch_id, part)
WHERE d.shard = k.shard AND d.batch_id = k.batch_id AND d.part = k.part AND d.summarized_at IS NULL;
