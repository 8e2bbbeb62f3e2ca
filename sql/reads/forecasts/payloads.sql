-- The deltas of some batches, in some shards, that a withdrawal takes out. Locks: none. Rows: one for each delta.
SELECT d.payload
FROM deltas AS d
WHERE
  d.batch_id = ANY(%(batch_ids)s::bigint[]) AND d.shard = ANY(%(shards)s::smallint[])
  AND d.merged_at IS NOT NULL AND d.sign = 1;
