-- A shard's floor. No row: it has none yet, and all of its edges are held. Its lock is held.
SELECT score, source_id, target_id FROM top_edge_floors WHERE shard = %(shard)s::smallint;
