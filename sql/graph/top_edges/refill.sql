-- Hold the first `keep` edges of a shard, of which none is held and which has no floor, and set its floor at the next.
-- Reads all edges of the shard, whose lock is held.
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
