-- An upload and, if it is a zip, its members: the states, and whether what an upload added can still be taken out (see
-- graph/withdrawal/purged). Locks: none. Rows: one for each, the upload first.
SELECT
  u.id, u.state,
  EXISTS(
    SELECT FROM batches AS b
    WHERE
      b.upload_id = u.id AND b.state = 'applied'
      AND (
        (b.edges > 0 AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id))
        OR (b.ids_owned > 0 AND b.payload IS NULL)
      )
  ) AS purged
FROM uploads AS u
WHERE u.id = %(id)s::uuid OR u.parent_id = %(id)s::uuid
ORDER BY u.id <> %(id)s::uuid, u.id;
