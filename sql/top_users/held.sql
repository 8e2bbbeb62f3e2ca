-- How many users are held in each direction, and whether that is all there are. The summaries' lock is held.
SELECT
  f.direction, f.score = '-infinity' AS every_one,
  (SELECT count(*)::integer FROM top_users AS u WHERE u.direction = f.direction) AS held
FROM top_user_floors AS f
ORDER BY f.direction;
