-- The heaviest ties of the whole graph that pass, among the `looked` heaviest that are held (top_edges), as columns:
-- those between the first `users` users, by the heaviest tie of each, `edges` at most. Edges below the highest floor
-- are left out, since another edge might be heavier; of edges as heavy as the floor, those that are held are taken. An
-- upload may bring many that weigh the same. OFFSET 0 keeps PostgreSQL from looking for each edge among all that its
-- source makes. `passing` and `users_passing` count what passes, before the limits. Costs `looked` edges. Locks: none.
-- Rows: one.
WITH floor AS MATERIALIZED (
  SELECT score FROM top_edge_floors ORDER BY score DESC LIMIT 1
),

looked AS MATERIALIZED (
  SELECT h.source_id, h.target_id, h.score
  FROM top_edges AS h
  LEFT JOIN floor AS f ON true
  WHERE f.score IS NULL OR h.score >= f.score
  ORDER BY h.score DESC, h.source_id, h.target_id
  LIMIT %(looked)s::integer
),

passing AS MATERIALIZED (
  SELECT
    h.source_id, h.target_id, e.mention_count, e.weight, e.first_seen, e.last_seen,
    row_number() OVER (ORDER BY h.score DESC, h.source_id, h.target_id) AS place
  FROM looked AS h
  CROSS JOIN LATERAL (
    SELECT
      mention_count, first_seen, last_seen,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
    FROM edges
    WHERE source_id = h.source_id AND target_id = h.target_id
    OFFSET 0 -- noqa: AM09
  ) AS e
  WHERE
    e.mention_count >= %(min_mentions)s::bigint
    AND (%(min_weight)s::double precision IS NULL OR e.weight >= %(min_weight)s::double precision)
    AND (%(since)s::timestamptz IS NULL OR e.last_seen >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR e.first_seen < %(until)s::timestamptz)
),

ends AS MATERIALIZED (
  SELECT e.id, min(e.place) AS place
  FROM (
    SELECT source_id AS id, place FROM passing
    UNION ALL
    SELECT target_id, place FROM passing
  ) AS e
  GROUP BY e.id
),

chosen AS MATERIALIZED (
  SELECT id FROM ends ORDER BY place, id LIMIT %(users)s::integer
),

ties AS (
  SELECT p.source_id, p.target_id, p.mention_count, p.weight, p.first_seen, p.last_seen, p.place
  FROM passing AS p
  INNER JOIN chosen AS s ON s.id = p.source_id
  INNER JOIN chosen AS t ON t.id = p.target_id
  ORDER BY p.place
  LIMIT %(edges)s::integer
)

SELECT
  coalesce(array_agg(t.source_id ORDER BY t.place), '{}') AS source_ids,
  coalesce(array_agg(t.target_id ORDER BY t.place), '{}') AS target_ids,
  coalesce(array_agg(t.mention_count ORDER BY t.place), '{}') AS mention_counts,
  coalesce(array_agg(t.weight ORDER BY t.place), '{}') AS weights,
  coalesce(array_agg(t.first_seen ORDER BY t.place), '{}') AS first_seen,
  coalesce(array_agg(t.last_seen ORDER BY t.place), '{}') AS last_seen,
  (SELECT count(*) FROM looked) AS looked,
  (SELECT count(*) FROM passing) AS passing,
  (SELECT count(*) FROM ends) AS users_passing,
  (SELECT count(*) > 0 FROM floor) OR (SELECT count(*) = %(looked)s::bigint FROM looked) AS more
FROM ties AS t;
