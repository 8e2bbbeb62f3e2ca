-- The batches that wait to be counted, by priority. Locks: none. Rows: one for each priority that has one.
SELECT
  coalesce(u.options ->> 'priority', 'bulk') AS priority,
  count(*) AS batches, coalesce(sum(b.size_bytes), 0)::bigint AS bytes, min(b.staged_at) AS oldest,
  count(*) FILTER (WHERE b.claimed_until > %(now)s::timestamptz) AS batches_claimed
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.state = 'staged'
GROUP BY 1;
