-- The users that are trending over so many days, as they were computed the last time. Locks: none. Rows: one for each
-- user, `limit` at most.
SELECT u.handle, u.spelling, t.mentions, t.mentions_before, t.growth
FROM trending_users AS t
INNER JOIN users AS u ON u.id = t.user_id
WHERE t.days = %(days)s::smallint AND t.place <= %(limit)s::integer
ORDER BY t.place;
