-- What merges and summaries took of batches. A pass that is not known any more has no process and took 0 seconds.
-- Locks: none. Rows: one for each batch, shard and merge, and one for each batch and summary.
SELECT
  d.batch_id, 'merge' AS kind, d.shard, d.merged_at AS began_at, coalesce(p.seconds, 0) AS seconds,
  coalesce(p.process, '') AS process, sum(d.edges)::bigint AS edges
FROM deltas AS d
LEFT JOIN passes AS p ON p.began_at = d.merged_at AND p.kind = 'merge' AND p.shard = d.shard
WHERE d.batch_id = ANY(%(batch_ids)s::bigint[]) AND d.merged_at IS NOT NULL
GROUP BY d.batch_id, d.shard, d.merged_at, p.seconds, p.process
UNION ALL
SELECT
  d.batch_id, 'summarize' AS kind, -1 AS shard, d.summarized_at AS began_at, coalesce(p.seconds, 0) AS seconds,
  coalesce(p.process, '') AS process, sum(d.edges)::bigint AS edges
FROM deltas AS d
LEFT JOIN passes AS p ON p.began_at = d.summarized_at AND p.kind = 'summarize' AND p.shard = -1
WHERE d.batch_id = ANY(%(batch_ids)s::bigint[]) AND d.summarized_at IS NOT NULL
GROUP BY d.batch_id, d.summarized_at, p.seconds, p.process
ORDER BY batch_id, began_at;
