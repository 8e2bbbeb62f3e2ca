-- Delete the edges that `archive` just copied. The shard's lock is held.
DELETE FROM edges
WHERE
  (source_id, target_id) > (%(source_id)s::bigint, %(target_id)s::bigint)
  AND (source_id, target_id) <= (%(end_source_id)s::bigint, %(end_target_id)s::bigint)
  AND weighed_at < %(stale_before)s::timestamptz
  AND effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  < %(archive_below)s::double precision;
