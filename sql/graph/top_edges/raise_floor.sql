-- Raises the shard's floor, unless the floor is higher already. Locks: the caller holds the shard's lock. Rows: none.
INSERT INTO top_edge_floors AS f (shard, score, source_id, target_id)
VALUES (%(shard)s::smallint, %(score)s::double precision, %(source_id)s::bigint, %(target_id)s::bigint)
ON CONFLICT (shard) DO UPDATE SET
  score = excluded.score, source_id = excluded.source_id, target_id = excluded.target_id
WHERE
  f.score < excluded.score
  OR (f.score = excluded.score AND (f.source_id, f.target_id) > (excluded.source_id, excluded.target_id));
