-- The heaviest ties of the whole graph that pass, as columns: those between the first `users` users, by the heaviest
-- tie of each, `edges` at most. `everything`: of all edges, for a small graph. Else of the `looked` heaviest that are
-- held (top_edges). Held edges below the highest floor are left out, since another edge might be heavier; of edges as
-- heavy as the floor, those that are held are taken, since an upload may bring many that weigh the same. `everything`
-- is a constant where PostgreSQL plans, so one of the two is left. OFFSET 0 keeps PostgreSQL from looking for each edge
-- among all that its source makes. `passing` and `users_passing` count what passes, before the limits. Costs the edges
-- that are looked at. Locks: none. Rows: one.
WITH floor AS MATERIALIZED (
  SELECT score FROM top_edge_floors ORDER BY score DESC LIMIT 1
),

held AS MATERIALIZED (
  SELECT h.source_id, h.target_id, h.score
  FROM top_edges AS h
  LEFT JOIN floor AS f ON true
  WHERE NOT %(everything)s::boolean AND (f.score IS NULL OR h.score >= f.score)
  ORDER BY h.score DESC, h.source_id, h.target_id
  LIMIT %(looked)s::integer
),

looked AS MATERIALIZED (
  SELECT h.source_id, h.target_id, h.score, e.mention_count, e.weight, e.weighed_at, e.first_seen, e.last_seen
  FROM held AS h
  CROSS JOIN LATERAL (
    SELECT mention_count, weight, weighed_at, first_seen, last_seen FROM edges
    WHERE source_id = h.source_id AND target_id = h.target_id
    OFFSET 0 -- noqa: AM09
  ) AS e
  UNION ALL
  SELECT
    source_id, target_id, weight_score(weight, weighed_at, %(half_life_seconds)s::double precision), mention_count,
    weight, weighed_at, first_seen, last_seen
  FROM edges
  WHERE %(everything)s::boolean AND source_id <> target_id AND weight > 0
),

passing AS MATERIALIZED (
  SELECT
    source_id, target_id, mention_count, weight, first_seen, last_seen,
    row_number() OVER (ORDER BY score DESC, source_id, target_id) AS place
  FROM (
    SELECT
      source_id, target_id, score, mention_count, first_seen, last_seen,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
    FROM looked
    WHERE
      mention_count >= %(min_mentions)s::bigint
      AND (%(since)s::timestamptz IS NULL OR last_seen >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR first_seen < %(until)s::timestamptz)
  ) AS e
  WHERE %(min_weight)s::double precision IS NULL OR weight >= %(min_weight)s::double precision
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
  coalesce(array_agg(least(t.weight, t.mention_count) ORDER BY t.place), '{}') AS weights,
  coalesce(array_agg(t.first_seen ORDER BY t.place), '{}') AS first_seen,
  coalesce(array_agg(t.last_seen ORDER BY t.place), '{}') AS last_seen,
  (SELECT count(*) FROM looked) AS looked,
  (SELECT count(*) FROM passing) AS passing,
  (SELECT count(*) FROM ends) AS users_passing,
  NOT %(everything)s::boolean AND (
    (SELECT count(*) > 0 FROM floor) OR (SELECT count(*) = %(looked)s::bigint FROM held)
  ) AS more
FROM ties AS t;
