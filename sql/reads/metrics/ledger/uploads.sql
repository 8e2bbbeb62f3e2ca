-- The uploads that have not ended, by state and priority, and since when the oldest of them is sealed. At most so many
-- are looked at. Locks: none. Rows: one for each state and priority that there is.
SELECT u.state, u.priority, count(*) AS uploads, min(u.sealed_at) AS sealed_since
FROM (
  SELECT state, coalesce(options ->> 'priority', 'bulk') AS priority, sealed_at
  FROM uploads
  WHERE finished_at IS NULL
  ORDER BY state
  LIMIT %(most)s::integer
) AS u
GROUP BY u.state, u.priority;
