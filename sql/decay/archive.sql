-- Copy a page's stale edges that weigh too little into the archive, written down to the run's instant. The shard's lock
-- is held from the page's first statement to its commit, so `delete` finds the same rows.
INSERT INTO edges_archive (
  source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen, archived_at
)
SELECT
  source_id, target_id, mention_count,
  effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
  %(as_of)s::timestamptz, first_seen, last_seen, %(as_of)s::timestamptz
FROM edges
WHERE
  (source_id, target_id) > (%(source_id)s::bigint, %(target_id)s::bigint)
  AND (source_id, target_id) <= (%(end_source_id)s::bigint, %(end_target_id)s::bigint)
  AND weighed_at < %(stale_before)s::timestamptz
  AND effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  < %(archive_below)s::double precision;
