-- Replaces the texts of an upload's entry. Locks: the upload's row. Rows: none.
UPDATE uploads
SET
  filename = %(filename)s::text, note = %(note)s::text, options = %(options)s::jsonb, format = %(format)s::jsonb,
  error = %(error)s::jsonb
WHERE id = %(id)s::uuid;
