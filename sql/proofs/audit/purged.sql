-- Whether the graph holds mentions of which the deltas were purged. No locks. One row.
SELECT EXISTS(
  SELECT FROM batches AS b
  WHERE b.state = 'applied' AND b.edges > 0 AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id)
) AS purged;
