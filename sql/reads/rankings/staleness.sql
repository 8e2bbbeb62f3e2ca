-- Since when something merged waits to be summarized, and the same for what is trending. Locks: none. Rows: one.
SELECT
  (
    SELECT min(merged_at) FROM deltas WHERE merged_at IS NOT NULL AND (summarized_at IS NOT NULL) <> (sign = 1)
  ) AS stale_since,
  s.days_from, s.trends_until, s.trends_ended_at, s.trends_stale_since
FROM summaries AS s;
