-- A user's outgoing or incoming mentions, the heaviest first, from behind a position in the list. Costs the user's
-- degree. `outgoing` is a constant where PostgreSQL plans (statements are not prepared, see app/store/postgres.py), so
-- one column alone is left in each condition, and its index serves it. The join with users is outside the limit, so few
-- users travel. Locks: none. Rows: one for each mention, `limit` at most.
SELECT
  u.id, u.handle, u.spelling, top.mention_count, least(top.weight, top.mention_count) AS weight, top.weight AS place,
  top.first_seen, top.last_seen, top.archived_at
FROM (
  SELECT e.id, e.mention_count, e.weight, e.first_seen, e.last_seen, e.archived_at
  FROM (
    SELECT
      CASE WHEN %(outgoing)s::boolean THEN target_id ELSE source_id END AS id,
      mention_count, first_seen, last_seen, NULL::timestamptz AS archived_at,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
    FROM edges
    WHERE
      CASE WHEN %(outgoing)s::boolean THEN source_id ELSE target_id END = %(user_id)s::bigint
      AND (%(self_mentions)s::boolean OR source_id <> target_id)
    UNION ALL
    SELECT
      CASE WHEN %(outgoing)s::boolean THEN target_id ELSE source_id END,
      mention_count, first_seen, last_seen, archived_at,
      effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
    FROM edges_archive
    WHERE
      %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
      AND CASE WHEN %(outgoing)s::boolean THEN source_id ELSE target_id END = %(user_id)s::bigint
      AND (%(self_mentions)s::boolean OR source_id <> target_id)
  ) AS e
  -- On the first page every mention is behind the position. To compare would be to compute each weight once more.
  WHERE
    %(after_weight)s::double precision = 'infinity'
    OR (-e.weight, e.id) > (-%(after_weight)s::double precision, %(after_id)s::bigint)
  ORDER BY e.weight DESC, e.id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.id
ORDER BY top.weight DESC, top.id;
