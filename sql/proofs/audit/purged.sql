-- Tells whether the graph holds mentions whose deltas were purged. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM batches AS b
  WHERE b.state = 'applied' AND b.edges > 0 AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id)
) AS purged;
