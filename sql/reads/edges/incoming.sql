-- A user's incoming mentions, the heaviest first, from behind a place. Costs the user's degree. The join is
-- outside the limit, so few users travel. No locks.
SELECT u.id, u.handle, u.spelling, top.mention_count, top.weight, top.first_seen, top.last_seen, top.archived_at
FROM (
  SELECT e.source_id, e.mention_count, e.weight, e.first_seen, e.last_seen, e.archived_at
  FROM (
    SELECT
      source_id, mention_count, first_seen, last_seen, NULL::timestamptz AS archived_at,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
    FROM edges
    WHERE target_id = %(user_id)s::bigint AND (%(self_mentions)s::boolean OR source_id <> target_id)
    UNION ALL
    SELECT
      source_id, mention_count, first_seen, last_seen, archived_at,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
    FROM edges_archive
    WHERE
      %(archived)s::boolean AND target_id = %(user_id)s::bigint
      AND (%(self_mentions)s::boolean OR source_id <> target_id)
  ) AS e
  -- On the first page all are behind: to look would be to work out each weight once more.
  WHERE
    %(after_weight)s::double precision = 'infinity'
    OR (-e.weight, e.source_id) > (-%(after_weight)s::double precision, %(after_id)s::bigint)
  ORDER BY e.weight DESC, e.source_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.source_id
ORDER BY top.weight DESC, top.source_id;
