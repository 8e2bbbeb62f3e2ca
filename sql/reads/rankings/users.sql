-- The users who mention most, or are mentioned most, with their weights at an instant, through the index on the score.
-- Locks: none. Rows: one for each user, `limit` at most.
SELECT
  u.handle, u.spelling,
  CASE %(direction)s::text WHEN 'made' THEN t.mentions_made ELSE t.mentions_received END AS mentions,
  least(
    CASE %(direction)s::text WHEN 'made' THEN t.mentions_made ELSE t.mentions_received END,
    effective_weight(
      CASE %(direction)s::text WHEN 'made' THEN t.weight_made ELSE t.weight_received END, t.weighed_at,
      %(as_of)s::timestamptz, %(half_life_seconds)s::double precision
    )
  ) AS weight
FROM (
  SELECT user_id, score FROM top_users
  WHERE direction = %(direction)s::text
  ORDER BY score DESC, user_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN user_totals AS t ON t.user_id = top.user_id
INNER JOIN users AS u ON u.id = top.user_id
ORDER BY top.score DESC, top.user_id;
