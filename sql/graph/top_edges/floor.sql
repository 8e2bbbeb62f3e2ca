-- A shard's floor. Locks: the caller holds the shard's lock. Rows: one; zero where the shard has no floor yet, and all
-- of its edges are held.
SELECT score, source_id, target_id FROM top_edge_floors WHERE shard = %(shard)s::smallint;
