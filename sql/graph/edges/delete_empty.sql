-- Deletes those of these edges that nobody mentions any more. Locks: the caller holds the shard's lock. Rows: none.
DELETE FROM edges AS e
USING unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
WHERE e.source_id = k.source_id AND e.target_id = k.target_id AND e.mention_count = 0;
