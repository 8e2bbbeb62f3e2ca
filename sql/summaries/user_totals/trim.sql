-- Holds the first `keep` users of a direction, and sets the floor at the first of the others. Locks: the caller holds
-- the summaries' lock. Rows: none.
WITH below AS (
  SELECT score, user_id FROM top_users
  WHERE direction = %(direction)s::text
  ORDER BY score DESC, user_id
  LIMIT 1 OFFSET %(keep)s::integer
),

raised AS (
  UPDATE top_user_floors AS f SET score = b.score, user_id = b.user_id
  FROM below AS b
  WHERE f.direction = %(direction)s::text
)

DELETE FROM top_users AS u
USING below AS b
WHERE
  u.direction = %(direction)s::text
  AND (u.score < b.score OR (u.score = b.score AND u.user_id >= b.user_id));
