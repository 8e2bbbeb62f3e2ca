-- Shards with pending deltas, by the most urgent priority of their uploads. Locks: none. Rows: one for each shard.
SELECT
  d.shard AS id,
  CASE WHEN bool_or(u.options ->> 'priority' = 'urgent') THEN 'urgent' ELSE 'bulk' END AS priority
FROM deltas AS d
INNER JOIN batches AS b ON b.id = d.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE d.merged_at IS NULL AND NOT d.held
GROUP BY d.shard
ORDER BY d.shard;
