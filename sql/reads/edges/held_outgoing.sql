-- A user's outgoing mentions, the heaviest first, from behind a position in the list: as many of a page as the held
-- edges prove, as in held_incoming. Only the floor of the user's own shard counts. The user's held edges are found by
-- source, all of them, since PostgreSQL might look for them in everybody's, by score. Costs a look at every held edge
-- of the user, and `most` edges. Locks: none. Rows: one for each mention, `limit` at most.
WITH own AS MATERIALIZED (
  SELECT source_id, target_id, score FROM top_edges WHERE source_id = %(user_id)s::bigint
),

held AS MATERIALIZED (
  SELECT source_id, target_id, score FROM own ORDER BY score DESC LIMIT %(most)s::integer
),

others AS MATERIALIZED (
  -- Powers of 2 beyond those are errors; weights beyond them there are none.
  SELECT coalesce(max(power(2, greatest(-1000, least(1000,
    b.score - i.instant + 1e-9 + 1e-14 * (abs(b.score) + abs(i.instant))
  )))), 0) AS weight
  FROM (
    SELECT score FROM top_edge_floors WHERE shard = %(shard)s::smallint
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
  SELECT e.target_id, e.mention_count, e.weight, e.first_seen, e.last_seen, NULL::timestamptz AS archived_at
  FROM (
    SELECT
      e.target_id, e.mention_count, e.first_seen, e.last_seen,
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
    AND (-e.weight, e.target_id) > (-%(after_weight)s::double precision, %(after_id)s::bigint)
  ORDER BY e.weight DESC, e.target_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.target_id
ORDER BY top.weight DESC, top.target_id;
