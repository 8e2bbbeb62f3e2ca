-- Take edges that are mentioned again out of the archive, to be merged with the new mentions. The shard's lock is held.
DELETE FROM edges_archive AS a
USING unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[]) AS k (source_id, target_id)
WHERE a.source_id = k.source_id AND a.target_id = k.target_id
RETURNING a.source_id, a.target_id, a.mention_count, a.weight, a.weighed_at, a.first_seen, a.last_seen;
