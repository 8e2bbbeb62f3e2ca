-- Tells whether the shard has deltas to merge. The caller asks after it released the shard's lock, so a delta that was
-- committed during a merge is not left behind. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM deltas WHERE shard = %(shard)s::smallint AND merged_at IS NULL AND NOT held
) AS pending;
