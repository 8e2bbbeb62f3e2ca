-- Holds the first `keep` edges of a shard, and sets its floor at the next edge. Before this the shard has no floor, and
-- none of its edges is held. Reads every edge of the shard. Locks: the caller holds the shard's lock. Rows: none.
WITH best AS (
  SELECT source_id, target_id, score, row_number() OVER (ORDER BY score DESC, source_id, target_id) AS place
  FROM (
    SELECT source_id, target_id, score
    FROM (
      SELECT
        source_id, target_id, weight_score(weight, weighed_at, %(half_life_seconds)s::double precision) AS score
      FROM edges
      WHERE
        source_id BETWEEN %(lowest_id)s::bigint AND %(highest_id)s::bigint AND source_id <> target_id
    ) AS scored
    WHERE score IS NOT NULL
    ORDER BY score DESC, source_id, target_id
    LIMIT %(keep)s::integer + 1
  ) AS first
),

floored AS (
  INSERT INTO top_edge_floors (shard, score, source_id, target_id)
  SELECT %(shard)s::smallint, score, source_id, target_id FROM best WHERE place > %(keep)s::integer
)

INSERT INTO top_edges (shard, source_id, target_id, score)
SELECT %(shard)s::smallint, source_id, target_id, score FROM best WHERE place <= %(keep)s::integer;
