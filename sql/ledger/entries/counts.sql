-- The number of uploads in each state among those that a filter matches (see ledger/entries/page). Locks: none. Rows:
-- one for each state that an upload is in.
SELECT u.state, count(*) AS uploads
FROM uploads AS u
WHERE
  (%(only_of)s::text IS NULL OR u.owner = %(only_of)s::text)
  AND (%(owner)s::text IS NULL OR u.owner = %(owner)s::text)
  AND (%(since)s::timestamptz IS NULL OR u.received_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR u.received_at < %(until)s::timestamptz)
  AND (
    %(text)s::text IS NULL
    OR strpos(lower(u.filename), lower(%(text)s::text)) > 0
    OR strpos(lower(u.note), lower(%(text)s::text)) > 0
    OR starts_with(u.id::text, %(id_begins)s::text)
  )
GROUP BY u.state;
