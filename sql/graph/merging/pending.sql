-- Whether the shard has deltas to merge. Asked after the lock is released, so that one committed while a merge ran is
-- not left.
SELECT EXISTS(
  SELECT FROM deltas WHERE shard = %(shard)s::smallint AND merged_at IS NULL AND NOT held
) AS pending;
