-- receiving -> cancelled for the members of a zip, while the zip is being unpacked. The caller deletes their batches in
-- the same transaction. Locks: the members' rows, in the order of id, before the row of the zip. Rows: one for each
-- member that was being received.
WITH members AS (
  SELECT m.id FROM uploads AS m
  WHERE
    m.parent_id = %(id)s::uuid AND m.state = 'receiving'
    AND EXISTS (SELECT FROM uploads AS p WHERE p.id = m.parent_id AND p.state = 'receiving')
  ORDER BY m.id
  FOR NO KEY UPDATE
)

UPDATE uploads SET state = 'cancelled', finished_at = %(now)s::timestamptz
WHERE id IN (SELECT members.id FROM members) AND state = 'receiving'
RETURNING id;
