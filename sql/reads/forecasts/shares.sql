-- What uploads have in each shard of the graph: the deltas that a withdrawal takes out. Locks: none. Rows: one for each
-- shard.
SELECT d.shard, sum(d.edges)::bigint AS edges, sum(d.mentions)::bigint AS mentions
FROM deltas AS d
WHERE
  d.merged_at IS NOT NULL AND d.sign = 1
  AND d.batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = ANY(%(upload_ids)s::uuid[]))
GROUP BY d.shard
ORDER BY d.shard;
