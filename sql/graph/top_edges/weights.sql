-- The weights of those of these edges that the graph holds. Locks: the caller holds the shard's lock. Rows: one for
-- each edge found.
SELECT e.source_id, e.target_id, e.weight, e.weighed_at
FROM unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
INNER JOIN edges AS e ON e.source_id = k.source_id AND e.target_id = k.target_id;
