-- The number of a shard's edges that are held. Locks: the caller holds the shard's lock. Rows: one.
SELECT count(*) AS held FROM top_edges WHERE shard = %(shard)s::smallint;
