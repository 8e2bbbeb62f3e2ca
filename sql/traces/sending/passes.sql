-- The passes that took something of batches, and whose own spans were not sent. Locks: none. Rows: one for each pass.
SELECT p.kind, p.shard, p.began_at, p.seconds, p.process, p.batch_ids
FROM passes AS p
WHERE
  NOT p.traced
  AND (p.began_at, p.kind, p.shard) IN (
    SELECT d.merged_at, 'merge', d.shard
    FROM deltas AS d
    WHERE d.batch_id = ANY(%(batch_ids)s::bigint[]) AND d.merged_at IS NOT NULL
    UNION
    SELECT d.summarized_at, 'summarize', -1
    FROM deltas AS d
    WHERE d.batch_id = ANY(%(batch_ids)s::bigint[]) AND d.summarized_at IS NOT NULL
  )
ORDER BY p.began_at, p.kind, p.shard;
