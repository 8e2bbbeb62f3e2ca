-- No edge of a shard is held, until it is filled again in the same transaction. Its lock is held.
WITH floor AS (DELETE FROM top_edge_floors WHERE shard = %(shard)s::smallint)

DELETE FROM top_edges WHERE shard = %(shard)s::smallint;
