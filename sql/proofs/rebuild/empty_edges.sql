-- The graph's edges go, for those of the shadow to come in the same transaction; who reads meanwhile sees the old ones.
-- Every shard is locked.
DELETE FROM edges;
