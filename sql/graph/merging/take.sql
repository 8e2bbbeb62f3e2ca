-- The pending deltas of a shard, those of urgent uploads first, then the oldest: at least one, and no more than a
-- number of edges together, so that a merge fits into memory and into one message. Locks: the caller holds the shard's
-- lock. Rows: one for each delta.
SELECT batch_id, part, sign, payload
FROM (
  SELECT
    d.batch_id, d.part, d.sign, d.payload, d.edges,
    sum(d.edges) OVER (
      ORDER BY (u.options ->> 'priority') = 'urgent' DESC NULLS LAST, d.batch_id, d.part
    ) AS edges_so_far
  FROM deltas AS d
  INNER JOIN batches AS b ON b.id = d.batch_id
  INNER JOIN uploads AS u ON u.id = b.upload_id
  WHERE d.shard = %(shard)s::smallint AND d.merged_at IS NULL AND NOT d.held
) AS pending
WHERE edges_so_far <= %(most_edges)s::bigint OR edges_so_far = edges
ORDER BY edges_so_far;
