-- Writes the scores of those of these users that are held, after something was taken out of their totals. Locks: the
-- caller holds the summaries' lock. Rows: none.
UPDATE top_users AS u
SET score = s.score
FROM user_totals AS t
CROSS JOIN LATERAL (
  VALUES
  ('made', weight_score(t.weight_made, t.weighed_at, %(half_life_seconds)s::double precision)),
  ('received', weight_score(t.weight_received, t.weighed_at, %(half_life_seconds)s::double precision))
) AS s (direction, score)
WHERE
  t.user_id = ANY(%(user_ids)s::bigint[]) AND u.user_id = t.user_id AND u.direction = s.direction
  AND s.score IS NOT NULL AND u.score <> s.score;
