-- Users whom a user mentions, or who mention the user: the strongest ties first, both directions added up. `found` is
-- the number of all these users, without the limit. The join with users is outside the limit, so few users travel.
-- Costs the user's degree. Locks: none. Rows: one for each user, `limit` at most.
SELECT u.id, u.handle, u.spelling, top.weight, top.found
FROM (
  SELECT
    coalesce(m.id, r.id) AS id, coalesce(m.weight, 0) + coalesce(r.weight, 0) AS weight, count(*) OVER () AS found
  FROM (
    SELECT
      target_id AS id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      ) AS weight
    FROM edges
    WHERE source_id = %(user_id)s::bigint AND target_id <> source_id
    UNION ALL
    SELECT
      target_id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      )
    FROM edges_archive
    WHERE
      %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
      AND source_id = %(user_id)s::bigint AND target_id <> source_id
  ) AS m
  FULL JOIN (
    SELECT
      source_id AS id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      ) AS weight
    FROM edges
    WHERE target_id = %(user_id)s::bigint AND source_id <> target_id
    UNION ALL
    SELECT
      source_id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      )
    FROM edges_archive
    WHERE
      %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
      AND target_id = %(user_id)s::bigint AND source_id <> target_id
  ) AS r ON r.id = m.id
  ORDER BY weight DESC, id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.id
ORDER BY top.weight DESC, top.id;
