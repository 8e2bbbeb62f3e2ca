-- Users at the other ends of what some users make, and of what some receive, without those seen before: the strongest
-- ties first, directions and users added up. `found` is the number of all these users, without the limit. The join with
-- users is outside the limit, so few users travel. Costs the users' degrees. Locks: none. Rows: one for each user,
-- `limit` at most.
SELECT u.id, u.handle, u.spelling, top.weight, top.found
FROM (
  SELECT e.id, sum(e.weight) AS weight, count(*) OVER () AS found
  FROM (
    SELECT
      target_id AS id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      ) AS weight
    FROM edges
    WHERE source_id = ANY(%(making)s::bigint[])
    UNION ALL
    SELECT
      source_id,
      least(
        effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision),
        mention_count
      )
    FROM edges
    WHERE target_id = ANY(%(receiving)s::bigint[])
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
      AND source_id = ANY(%(making)s::bigint[])
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
      AND target_id = ANY(%(receiving)s::bigint[])
  ) AS e
  WHERE e.id <> ALL(%(seen)s::bigint[])
  GROUP BY e.id
  ORDER BY weight DESC, e.id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.id
ORDER BY top.weight DESC, top.id;
