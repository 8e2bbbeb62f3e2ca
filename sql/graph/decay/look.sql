-- Counts what a range of blocks holds, by the upper six bits of the source's id, which say the shard. Locks: none.
-- Rows: one for each value of the six bits that occurs, 64 at most.
SELECT
  (source_id >> 58)::integer AS stretch,
  count(*) FILTER (WHERE weighed_at < %(stale_before)s::timestamptz) AS stale,
  count(*) FILTER (
    WHERE weighed_at < %(stale_before)s::timestamptz
    AND effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
    < %(archive_below)s::double precision
  ) AS light,
  min(weighed_at) FILTER (WHERE weighed_at >= %(stale_before)s::timestamptz) AS oldest
FROM edges
WHERE ctid >= %(start)s::tid AND ctid < %(stop)s::tid
GROUP BY 1;
