-- Sets the note of an upload, if the upload is of this owner. NULL: of whomever. Locks: the upload's row. Rows: one;
-- zero where the upload is not there, or has the note already.
UPDATE uploads SET note = %(note)s::text
WHERE
  id = %(id)s::uuid AND (%(owner)s::text IS NULL OR owner = %(owner)s::text)
  AND note IS DISTINCT FROM %(note)s::text
RETURNING id;
