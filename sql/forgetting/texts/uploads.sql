-- Uploads whose entry may hold a text (see forgetting/texts/rejects), a few at a time, after one. Locks: the uploads'
-- rows, in the order of id: whoever receives an upload writes its form. Rows: one for each upload, `limit` at most.
SELECT id, filename, note, options, format, error FROM uploads
WHERE
  id > %(after_id)s::uuid
  AND (
    strpos(lower(filename), %(needle)s::text) > 0 OR strpos(lower(note), %(needle)s::text) > 0
    OR strpos(lower(options::text), %(needle)s::text) > 0
    OR strpos(lower(format::text), %(needle)s::text) > 0 OR strpos(lower(error::text), %(needle)s::text) > 0
  )
ORDER BY id
LIMIT %(limit)s::integer
FOR NO KEY UPDATE;
