-- One edge, from the graph or the archive. A weight is bounded by the count, since mentions may be later than `as_of`
-- within the minute that begins there. Locks: none. Rows: at most one.
SELECT
  mention_count,
  least(
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision), mention_count
  ) AS weight,
  first_seen, last_seen, NULL::timestamptz AS archived_at
FROM edges WHERE source_id = %(source_id)s::bigint AND target_id = %(target_id)s::bigint
UNION ALL
SELECT
  mention_count,
  least(
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision), mention_count
  ),
  first_seen, last_seen, archived_at
FROM edges_archive WHERE source_id = %(source_id)s::bigint AND target_id = %(target_id)s::bigint;
