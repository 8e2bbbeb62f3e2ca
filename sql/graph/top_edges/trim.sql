-- Holds only the first `keep` of a shard's held edges, and answers the first of the others, where the floor shall be.
-- Locks: the caller holds the shard's lock. Rows: at most one.
WITH others AS (
  DELETE FROM top_edges AS e
  USING (
    SELECT source_id, target_id FROM top_edges
    WHERE shard = %(shard)s::smallint
    ORDER BY score DESC, source_id, target_id
    OFFSET %(keep)s::integer
  ) AS o
  WHERE e.source_id = o.source_id AND e.target_id = o.target_id
  RETURNING e.score, e.source_id, e.target_id
)

SELECT score, source_id, target_id FROM others ORDER BY score DESC, source_id, target_id LIMIT 1;
