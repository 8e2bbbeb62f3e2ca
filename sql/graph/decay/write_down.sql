-- Writes half of the stale edges of one shard in a range of blocks down to the run's instant. Weight and instant change
-- together, so no effective weight changes. A weight is not written down below 1e-9 (only possible where the archive
-- takes no such edge): with more half-lives a double would underflow to 0, and the weight would be lost.
-- Half of the edges find room on their own pages (fillfactor 60). The other half finds the same room, once the first
-- half's old versions may go: so all updates are HOT. Locks: the caller holds the shard's lock; the updated rows are
-- locked until the end of the transaction. Rows: none; the count of updated rows is the answer.
UPDATE edges
SET
  weight = effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
  weighed_at = %(as_of)s::timestamptz
WHERE
  ctid >= %(start)s::tid AND ctid < %(stop)s::tid
  AND source_id >> 58 BETWEEN %(first_stretch)s::integer AND %(last_stretch)s::integer
  AND (source_id & 1 = target_id & 1) = %(even)s::boolean
  AND weighed_at < %(stale_before)s::timestamptz
  AND (
    %(archive_below)s::double precision >= 1e-9
    OR effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) >= 1e-9
  );
