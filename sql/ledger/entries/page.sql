-- The uploads that a filter matches, the newest first: a page before the key (received_at, id). A text is looked for in
-- names of files and in notes, in upper or lower case. With `only_of`, the uploads of other owners are not there.
-- Locks: none. Rows: one for each upload, `limit` at most.
SELECT u.id
FROM uploads AS u
WHERE
  (%(only_of)s::text IS NULL OR u.owner = %(only_of)s::text)
  AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text)
  AND (%(states)s::text[] IS NULL OR u.state = ANY(%(states)s::text[]))
  AND (%(since)s::timestamptz IS NULL OR u.received_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR u.received_at < %(until)s::timestamptz)
  AND (
    %(text)s::text IS NULL
    OR strpos(lower(u.filename), lower(%(text)s::text)) > 0
    OR strpos(lower(u.note), lower(%(text)s::text)) > 0
    OR starts_with(u.id::text, %(id_begins)s::text)
  )
  AND (
    %(before_id)s::uuid IS NULL
    OR (u.received_at, u.id) < (
      SELECT p.received_at, p.id FROM uploads AS p
      WHERE p.id = %(before_id)s::uuid AND (%(only_of)s::text IS NULL OR p.owner = %(only_of)s::text)
    )
  )
ORDER BY u.received_at DESC, u.id DESC
LIMIT %(limit)s::integer;
