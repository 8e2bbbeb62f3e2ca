-- Stops holding these edges. Locks: the caller holds the shard's lock. Rows: one for each edge that was held.
DELETE FROM top_edges AS e
USING unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
WHERE e.source_id = k.source_id AND e.target_id = k.target_id
RETURNING e.source_id, e.target_id;
