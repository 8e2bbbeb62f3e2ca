-- When summaries were made the last time, what waits to be summarized, and whether there is other work. Locks: none.
-- Rows: one.
SELECT
  s.ended_at, s.seconds, s.days_kept, s.days_from, s.days_since, s.trends_ended_at, s.trends_seconds, s.trends_until,
  s.trends_stale_since,
  w.deltas AS waiting, w.stale_since,
  EXISTS(
    SELECT FROM uploads AS u
    WHERE u.finished_at IS NULL AND u.state IN ('staged', 'applying', 'checking', 'cancelling', 'retracting')
  ) AS busy
FROM summaries AS s
CROSS JOIN (
  SELECT count(*)::integer AS deltas, min(merged_at) AS stale_since FROM deltas
  WHERE merged_at IS NOT NULL AND (summarized_at IS NOT NULL) <> (sign = 1)
) AS w;
