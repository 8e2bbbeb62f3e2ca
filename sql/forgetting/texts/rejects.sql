-- Rejects that may hold a text, a few at a time, by upload and line, after one. The text is ASCII and in lower case;
-- without a text, every reject may. Locks: the rejects' rows. Rows: one for each reject, `limit` at most.
SELECT upload_id, line, column_name, message, raw, value FROM rejects
WHERE
  (upload_id, line) > (%(after_upload_id)s::uuid, %(after_line)s::bigint)
  AND (
    strpos(lower(column_name), %(needle)s::text) > 0
    OR strpos(lower(message), %(needle)s::text) > 0
    OR strpos(lower(encode(raw, 'escape')), %(needle)s::text) > 0
    OR strpos(lower(encode(value, 'escape')), %(needle)s::text) > 0
    OR strpos(encode(raw, 'escape'), '\u00') > 0
  )
ORDER BY upload_id, line
LIMIT %(limit)s::integer
FOR NO KEY UPDATE;
