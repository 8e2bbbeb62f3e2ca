-- Deltas of a shard that are, or were, in the graph, each with its batch and upload, the newest batch first, before a
-- batch. Locks: none. Rows: one for each delta, `limit` at most.
SELECT
  d.batch_id, d.sign, d.payload, b.upload_id, u.filename, b.ordinal, b.first_line, b.applied_at, b.profile,
  b.profile_version
FROM deltas AS d
INNER JOIN batches AS b ON b.id = d.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE
  d.shard = %(shard)s::smallint AND d.batch_id < %(before)s::bigint AND (d.merged_at IS NOT NULL OR d.sign = -1)
ORDER BY d.batch_id DESC
LIMIT %(limit)s::integer;
