-- How many edges of a shard are held. Its lock is held. One row.
SELECT count(*) AS held FROM top_edges WHERE shard = %(shard)s::smallint;
