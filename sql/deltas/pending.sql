-- Whether the shard has deltas. Asked after the lock is released, so that one committed while a merge ran is not left.
SELECT EXISTS(SELECT FROM deltas WHERE shard = %(shard)s::smallint) AS pending;
