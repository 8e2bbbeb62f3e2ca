-- Deltas to be added to the summaries, or taken out of them: the longest merged, at least one, and no more than a
-- number of edges together, by shard. Locks: none; a delta that is withdrawn meanwhile is found again once that is
-- merged. Rows: one for each delta.
SELECT
  d.shard, d.batch_id, d.part, d.sign, d.edges, (u.received_at AT TIME ZONE 'UTC')::date AS received_day,
  d.summarized_at, d.days_from
FROM (
  SELECT
    shard, batch_id, part, sign, edges, summarized_at, days_from,
    sum(edges) OVER (ORDER BY merged_at, shard, batch_id, part) AS edges_so_far
  FROM deltas
  WHERE merged_at IS NOT NULL AND (summarized_at IS NOT NULL) <> (sign = 1)
) AS d
INNER JOIN batches AS b ON b.id = d.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE d.edges_so_far <= %(most_edges)s::bigint OR d.edges_so_far = d.edges
ORDER BY d.shard, d.batch_id, d.part;
