-- Moves the edges of one shard in a range of blocks that are stale and too light into the archive. The weight and its
-- instant stay as they are, so that no effective weight changes, however old the edge is. Locks: the caller holds the
-- shard's lock; the deleted rows are locked until the end of the transaction. Rows: one for each edge that was moved.
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
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen, %(as_of)s::timestamptz
FROM gone
ORDER BY source_id, target_id
RETURNING source_id, target_id;
