-- How many users are held in each direction, and above which score: all, if it is the lowest. The summaries' lock is
-- held.
SELECT
  f.direction, f.score AS floor,
  (SELECT count(*)::integer FROM top_users AS u WHERE u.direction = f.direction) AS held
FROM top_user_floors AS f
ORDER BY f.direction;
