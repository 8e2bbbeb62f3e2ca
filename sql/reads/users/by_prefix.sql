-- Users whose handle begins with a prefix, in the order of handles' bytes, from behind a handle. `before` is what
-- follows every handle with the prefix. Locks: none. Rows: one for each user, `limit` at most.
SELECT id, handle, spelling
FROM users
WHERE
  handle COLLATE "C" >= %(prefix)s::text AND handle COLLATE "C" > %(after)s::text
  AND handle COLLATE "C" < %(before)s::text
ORDER BY handle COLLATE "C"
LIMIT %(limit)s::integer;
