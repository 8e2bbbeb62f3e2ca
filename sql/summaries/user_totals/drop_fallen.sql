-- Stops holding those of these users who have no weight any more, or are not above the floor. Locks: the caller holds
-- the summaries' lock. Rows: none.
DELETE FROM top_users AS u
USING top_user_floors AS f
WHERE
  u.user_id = ANY(%(user_ids)s::bigint[])
  AND f.direction = u.direction
  AND (
    u.score < f.score OR (u.score = f.score AND u.user_id >= f.user_id)
    OR NOT EXISTS (
      SELECT FROM user_totals AS t
      WHERE t.user_id = u.user_id AND CASE u.direction WHEN 'made' THEN t.weight_made ELSE t.weight_received END > 0
    )
  );
