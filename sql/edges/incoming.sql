-- A user's incoming mentions, the heaviest first. The join is outside the limit, so few users travel. No locks.
SELECT u.handle, u.spelling, top.mention_count, top.weight, top.first_seen, top.last_seen
FROM (
  SELECT
    source_id, mention_count, first_seen, last_seen,
    effective_weight(weight, weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE target_id = %(user_id)s::bigint AND (%(self_mentions)s::boolean OR source_id <> target_id)
  ORDER BY weight DESC, source_id
  LIMIT %(limit)s::integer OFFSET %(offset)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.source_id
ORDER BY top.weight DESC, top.source_id;
