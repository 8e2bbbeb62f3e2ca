-- The batches that wait or failed, by state and priority, with the bytes that wait to be counted. At most so many are
-- looked at, and of failed ones a tenth: their uploads are looked up one by one. The uploads of the others have not
-- ended, and are read together; where they are more than that, or one ended as a batch of it failed, a batch passes for
-- `bulk`. Locks: none. Rows: one for each state and priority that there is.
WITH unfinished AS MATERIALIZED (
  SELECT id, coalesce(options ->> 'priority', 'bulk') AS priority
  FROM uploads
  WHERE finished_at IS NULL
  ORDER BY state
  LIMIT %(most)s::integer
)

SELECT
  'staged' AS state, coalesce(u.priority, 'bulk') AS priority, count(*) AS batches,
  coalesce(sum(b.size_bytes), 0)::bigint AS size_bytes
FROM (
  SELECT upload_id, size_bytes FROM batches WHERE state = 'staged' ORDER BY next_attempt_at LIMIT %(most)s::integer
) AS b
LEFT JOIN unfinished AS u ON u.id = b.upload_id
GROUP BY coalesce(u.priority, 'bulk')
UNION ALL
SELECT 'counted', coalesce(u.priority, 'bulk'), count(*), 0
FROM (SELECT upload_id FROM batches WHERE state = 'counted' ORDER BY upload_id LIMIT %(most)s::integer) AS b
LEFT JOIN unfinished AS u ON u.id = b.upload_id
GROUP BY coalesce(u.priority, 'bulk')
UNION ALL
SELECT 'failed', coalesce(u.options ->> 'priority', 'bulk'), count(*), 0
FROM (SELECT upload_id FROM batches WHERE state = 'failed' ORDER BY upload_id LIMIT %(most)s::integer / 10) AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
GROUP BY coalesce(u.options ->> 'priority', 'bulk');
