-- Tells whether the graph holds an upload whose deltas were purged. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM uploads WHERE purged_at IS NOT NULL AND state IN ('applied', 'failed')
) AS purged;
