-- Since when the oldest merged delta waits to be in the summaries. Locks: none. Rows: one, NULL where none waits.
SELECT min(merged_at) AS stale_since
FROM deltas WHERE merged_at IS NOT NULL AND (summarized_at IS NOT NULL) <> (sign = 1);
