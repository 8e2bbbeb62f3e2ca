-- A user's incoming mentions, the heaviest first, from behind a position in the list: as many of a page as the held
-- edges (top_edges) prove. These are the edges that are heavier than any other edge can be, and they are the first of
-- reads/edges/mentions, to the bit. An edge weighs at most 2 ^ (score - instant / half-life). An edge that is not
-- looked at has no higher score than the highest floor, or than the last of the `most` held edges. A relative 1e-9 and
-- more allows for how scores are rounded. Costs `most` edges. held_outgoing is a statement of its own, since PostgreSQL
-- finds the held edges in another way there; one statement for both took 0.1 ms more to plan, of 0.7 ms. Locks: none.
-- Rows: one for each mention, `limit` at most.
WITH held AS MATERIALIZED (
  SELECT source_id, target_id, score FROM top_edges
  WHERE target_id = %(user_id)s::bigint
  ORDER BY score DESC
  LIMIT %(most)s::integer
),

others AS MATERIALIZED (
  -- Powers of 2 beyond those are errors; weights beyond them there are none.
  SELECT coalesce(max(power(2, greatest(-1000, least(1000,
    b.score - i.instant + 1e-9 + 1e-14 * (abs(b.score) + abs(i.instant))
  )))), 0) AS weight
  FROM (
    SELECT max(score) AS score FROM top_edge_floors
    UNION ALL
    SELECT min(score) FROM held HAVING count(*) = %(most)s::integer
  ) AS b
  CROSS JOIN (
    SELECT date_part('epoch', %(as_of)s::timestamptz) / %(half_life_seconds)s::double precision AS instant
  ) AS i
  WHERE b.score IS NOT NULL
)

SELECT
  u.id, u.handle, u.spelling, top.mention_count, least(top.weight, top.mention_count) AS weight, top.weight AS place,
  top.first_seen, top.last_seen, top.archived_at
FROM (
  SELECT e.source_id, e.mention_count, e.weight, e.first_seen, e.last_seen, NULL::timestamptz AS archived_at
  FROM (
    SELECT
      e.source_id, e.mention_count, e.first_seen, e.last_seen,
      effective_weight(
        e.weight, e.weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision
      ) AS weight
    FROM (
      SELECT source_id, target_id FROM held
      UNION ALL
      SELECT %(user_id)s::bigint, %(user_id)s::bigint WHERE %(self_mentions)s::boolean
    ) AS k
    INNER JOIN edges AS e ON e.source_id = k.source_id AND e.target_id = k.target_id
  ) AS e
  WHERE
    (SELECT weight FROM others) < %(after_weight)s::double precision -- else none is looked for
    AND e.weight > (SELECT weight FROM others)
    AND (-e.weight, e.source_id) > (-%(after_weight)s::double precision, %(after_id)s::bigint)
  ORDER BY e.weight DESC, e.source_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.source_id
ORDER BY top.weight DESC, top.source_id;
