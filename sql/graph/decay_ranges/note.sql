-- Notes the blocks of those of these edges that were weighed before an instant. Notes are only ever added, so merges of
-- several shards do not wait for each other. Locks: the caller holds the shard's lock; no row is locked. Rows: none.
INSERT INTO decay_notes (first_block, oldest)
SELECT (e.ctid::text::point)[0]::bigint / %(range_blocks)s::integer * %(range_blocks)s::integer, min(e.weighed_at)
FROM edges AS e
INNER JOIN unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
  ON e.source_id = k.source_id AND e.target_id = k.target_id
WHERE e.weighed_at < %(weighed_before)s::timestamptz
GROUP BY 1;
