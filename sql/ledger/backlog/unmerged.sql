-- What is counted and waits to be merged. Locks: none. Rows: one.
SELECT
  count(*) AS batches, coalesce(sum(b.size_bytes), 0)::bigint AS bytes, min(b.counted_at) AS oldest,
  coalesce(sum(d.deltas), 0)::bigint AS deltas, coalesce(sum(d.mentions), 0)::bigint AS mentions
FROM (
  SELECT batch_id, count(*) AS deltas, sum(mentions) AS mentions FROM deltas
  WHERE merged_at IS NULL AND NOT held
  GROUP BY batch_id
) AS d
INNER JOIN batches AS b ON b.id = d.batch_id;
