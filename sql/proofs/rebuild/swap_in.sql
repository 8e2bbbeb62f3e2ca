-- The shadow's edges become the graph's, in the order of the key. Locks: the caller holds every shard's lock. Rows:
-- none.
INSERT INTO edges (source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen)
SELECT source_id, target_id, mention_count, weight, weighed_at, first_seen, last_seen
FROM edges_shadow
ORDER BY source_id, target_id;
