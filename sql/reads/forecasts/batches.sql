-- The batches of uploads: how many there are, how many are not counted yet, and how many have something in the graph,
-- with their rows. Locks: none. Rows: one.
SELECT
  count(*) AS batches,
  count(*) FILTER (WHERE b.state = 'staged') AS not_counted,
  count(*) FILTER (WHERE b.state = 'applied' OR m.merged) AS taken_out,
  coalesce(sum(b.rows_accepted) FILTER (WHERE b.state = 'applied'), 0)::bigint AS rows_taken_out
FROM batches AS b
CROSS JOIN LATERAL (
  SELECT EXISTS(
    SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NOT NULL AND d.sign = 1
  ) AS merged
) AS m
WHERE b.upload_id = ANY(%(upload_ids)s::uuid[]);
