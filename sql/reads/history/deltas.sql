-- Deltas of a shard that are, or were, in the graph, each with its batch and upload, the newest batch first, before a
-- batch. All parts of a batch come together. Locks: none. Rows: one for each delta, of `limit` batches at most.
SELECT
  d.batch_id, d.sign, d.payload, b.upload_id, u.filename, b.ordinal, b.first_line, b.applied_at, b.profile,
  b.profile_version
FROM deltas AS d
INNER JOIN batches AS b ON b.id = d.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE
  d.shard = %(shard)s::smallint AND (d.merged_at IS NOT NULL OR d.sign = -1)
  AND d.batch_id IN (
    SELECT DISTINCT n.batch_id FROM deltas AS n
    WHERE
      n.shard = %(shard)s::smallint AND n.batch_id < %(before)s::bigint AND (n.merged_at IS NOT NULL OR n.sign = -1)
    ORDER BY n.batch_id DESC
    LIMIT %(limit)s::integer
  )
ORDER BY d.batch_id DESC, d.part;
