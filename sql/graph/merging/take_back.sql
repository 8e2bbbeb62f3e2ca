-- Takes edges that are mentioned again out of the archive. The caller merges them with the new mentions. Locks: the
-- caller holds the shard's lock. Rows: one for each edge that the archive held.
DELETE FROM edges_archive AS a
USING unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
WHERE a.source_id = k.source_id AND a.target_id = k.target_id
RETURNING a.source_id, a.target_id, a.mention_count, a.weight, a.weighed_at, a.first_seen, a.last_seen;
