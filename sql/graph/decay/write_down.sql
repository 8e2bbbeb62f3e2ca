-- Write half of a shard's stale edges, of a range of blocks, down to the run's instant: weight and instant together, so
-- that no effective weight changes. Half of them find room on their own pages (fillfactor 60), and so does the other
-- half once the first one's old versions may go: all updates are HOT. The shard's lock is held.
UPDATE edges
SET
  weight = effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
  weighed_at = %(as_of)s::timestamptz
WHERE
  ctid >= %(start)s::tid AND ctid < %(stop)s::tid
  AND source_id >> 58 BETWEEN %(first_stretch)s::integer AND %(last_stretch)s::integer
  AND (source_id & 1 = target_id & 1) = %(even)s::boolean
  AND weighed_at < %(stale_before)s::timestamptz;
