-- Keys, the newest first: one by id, or a page before another key. Locks: none. Rows: one for each key, `limit` at
-- most.
SELECT k.id, k.owner, k.scopes, k.graphs, k.created_at, k.expires_at, k.revoked_at
FROM keys AS k
WHERE
  (%(id)s::text IS NULL OR k.id = %(id)s::text)
  AND (%(owner)s::text IS NULL OR k.owner = %(owner)s::text)
  AND (
    %(before)s::text IS NULL
    OR (k.created_at, k.id) < (SELECT b.created_at, b.id FROM keys AS b WHERE b.id = %(before)s::text)
  )
ORDER BY k.created_at DESC, k.id DESC
LIMIT %(limit)s::integer;
