-- Marks deltas as merged, in the transaction that merged them, and counts the merge and what it wrote. Locks: the
-- caller holds the shard's lock; the deltas' rows. Rows: none.
WITH counted AS (
  INSERT INTO metric_counts (names, amounts)
  VALUES (
    ARRAY[
      'merges_total/', 'merge_edges_total/new', 'merge_edges_total/updated', 'merge_edges_total/unarchived',
      'merge_edges_total/removed'
    ],
    ARRAY[
      1, %(new)s::double precision, %(updated)s::double precision, %(unarchived)s::double precision,
      %(removed)s::double precision
    ]
  )
)

UPDATE deltas AS d SET merged_at = %(now)s::timestamptz
FROM unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
WHERE d.shard = %(shard)s::smallint AND d.batch_id = k.batch_id AND d.part = k.part;
