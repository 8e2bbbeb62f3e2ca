-- Uploads whose entry may hold a text (see forgetting/texts/rejects). Locks: none. Rows: one for each upload.
SELECT id, filename, note, options, format, error FROM uploads
WHERE
  strpos(lower(filename), %(needle)s::text) > 0 OR strpos(lower(note), %(needle)s::text) > 0
  OR strpos(lower(options::text), %(needle)s::text) > 0
  OR strpos(lower(format::text), %(needle)s::text) > 0 OR strpos(lower(error::text), %(needle)s::text) > 0
ORDER BY id;
