-- Deletes the graph's edges; the shadow's edges come in the same transaction. Readers see the old edges meanwhile.
-- Locks: the caller holds every shard's lock. Rows: none.
DELETE FROM edges;
