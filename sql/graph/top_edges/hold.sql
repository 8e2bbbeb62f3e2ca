-- Holds these edges, which are above their shard's floor. Locks: the caller holds the shard's lock. Rows: none.
INSERT INTO top_edges (shard, source_id, target_id, score)
SELECT %(shard)s::smallint, k.source_id, k.target_id, k.score
FROM unnest(%(source_ids)s::bigint[], %(target_ids)s::bigint[], %(scores)s::double precision[])
  AS k (source_id, target_id, score)
ON CONFLICT (source_id, target_id) DO UPDATE SET score = excluded.score;
