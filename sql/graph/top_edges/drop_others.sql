-- Stops holding those of a shard's edges that are not above its floor. Locks: the caller holds the shard's lock. Rows:
-- none.
DELETE FROM top_edges AS e
USING top_edge_floors AS f
WHERE
  e.shard = %(shard)s::smallint AND f.shard = e.shard
  AND (e.score < f.score OR (e.score = f.score AND (e.source_id, e.target_id) >= (f.source_id, f.target_id)));
