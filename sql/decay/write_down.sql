-- Write a page's remaining stale edges down to the run's instant: weight and instant together, so that no effective
-- weight changes. The shard's lock is held.
UPDATE edges
SET
  weight = effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
  weighed_at = %(as_of)s::timestamptz
WHERE
  (source_id, target_id) > (%(source_id)s::bigint, %(target_id)s::bigint)
  AND (source_id, target_id) <= (%(end_source_id)s::bigint, %(end_target_id)s::bigint)
  AND weighed_at < %(stale_before)s::timestamptz;
