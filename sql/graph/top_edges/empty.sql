-- Stops holding any edge of a shard. The caller fills the shard again in the same transaction. Locks: the caller holds
-- the shard's lock. Rows: none.
WITH floor AS (DELETE FROM top_edge_floors WHERE shard = %(shard)s::smallint)

DELETE FROM top_edges WHERE shard = %(shard)s::smallint;
