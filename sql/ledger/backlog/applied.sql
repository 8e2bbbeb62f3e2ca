-- How long the latest uploads took from the first byte until they were applied: of those among the latest `most` that
-- are applied. Locks: none. Rows: one.
SELECT
  count(*) AS uploads,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY u.seconds) AS median_seconds,
  percentile_cont(0.99) WITHIN GROUP (ORDER BY u.seconds) AS p99_seconds
FROM (
  SELECT state, date_part('epoch', finished_at - received_at) AS seconds FROM uploads
  ORDER BY received_at DESC, id DESC
  LIMIT %(most)s::integer
) AS u
WHERE u.state = 'applied';
