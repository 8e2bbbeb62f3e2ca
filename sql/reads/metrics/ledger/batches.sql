-- The batches that wait or failed, by state and priority, with the bytes that wait to be counted. At most so many of
-- each state are looked at. `counted` are those with a pending delta, which an index has. Batches are gathered by upload
-- before their uploads are looked up. Locks: none. Rows: one for each state and priority that there is.
WITH found AS (
  SELECT 'staged' AS state, b.upload_id, count(*) AS batches, sum(b.size_bytes) AS size_bytes
  FROM (SELECT upload_id, size_bytes FROM batches WHERE state = 'staged' LIMIT %(most)s::integer) AS b
  GROUP BY b.upload_id
  UNION ALL
  SELECT 'failed', b.upload_id, count(*), 0
  FROM (SELECT upload_id FROM batches WHERE state = 'failed' LIMIT %(most)s::integer) AS b
  GROUP BY b.upload_id
  UNION ALL
  SELECT 'counted', c.upload_id, count(*), 0
  FROM (
    SELECT DISTINCT d.batch_id
    FROM (SELECT batch_id FROM deltas WHERE merged_at IS NULL AND NOT held LIMIT %(most)s::integer) AS d
  ) AS p
  INNER JOIN batches AS c ON c.id = p.batch_id
  WHERE c.state = 'counted'
  GROUP BY c.upload_id
)

SELECT
  f.state, coalesce(u.options ->> 'priority', 'bulk') AS priority, sum(f.batches)::bigint AS batches,
  sum(f.size_bytes)::bigint AS size_bytes
FROM found AS f
INNER JOIN uploads AS u ON u.id = f.upload_id
GROUP BY f.state, priority;
