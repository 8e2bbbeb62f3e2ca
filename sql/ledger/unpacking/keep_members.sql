-- Says that the members of a zip are still being unpacked. Locks: the members' rows, in the order of id, before the row
-- of the zip. Rows: one for each member that is not aborted.
WITH members AS (
  SELECT m.id FROM uploads AS m
  WHERE m.parent_id = %(id)s::uuid AND m.state = 'receiving'
  ORDER BY m.id
  FOR NO KEY UPDATE
)

UPDATE uploads SET heartbeat_at = %(now)s::timestamptz
WHERE id IN (SELECT members.id FROM members) AND state = 'receiving'
RETURNING id;
