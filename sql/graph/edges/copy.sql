-- Adds edges that the graph does not hold, in the order of their targets: so the index by target is filled page by
-- page, and the primary key within the shard's stretch of it. Locks: the caller holds the shard's lock. Rows: sent, not
-- received.
COPY edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
FROM STDIN WITH (FORMAT binary);  -- noqa: PRS
