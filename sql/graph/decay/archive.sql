-- Move a shard's stale edges that weigh too little, of a range of blocks, into the archive, written down to the run's
-- instant. The shard's lock is held. One row an edge.
WITH gone AS (
  DELETE FROM edges
  WHERE
    ctid >= %(start)s::tid AND ctid < %(stop)s::tid
    AND source_id >> 58 BETWEEN %(first_stretch)s::integer AND %(last_stretch)s::integer
    AND weighed_at < %(stale_before)s::timestamptz
    AND effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
    < %(archive_below)s::double precision
  RETURNING source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
)

INSERT INTO edges_archive (
  source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen, archived_at
)
SELECT
  source_id, target_id, mention_count,
  effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
  %(as_of)s::timestamptz, first_seen, last_seen, %(as_of)s::timestamptz
FROM gone
ORDER BY source_id, target_id
RETURNING source_id, target_id;
