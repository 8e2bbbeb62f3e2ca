-- The number of users held in each direction, and the score above which they are held: all users, where it is the
-- lowest score. Locks: the caller holds the summaries' lock. Rows: one for each direction.
SELECT
  f.direction, f.score AS floor,
  (SELECT count(*)::integer FROM top_users AS u WHERE u.direction = f.direction) AS held
FROM top_user_floors AS f
ORDER BY f.direction;
