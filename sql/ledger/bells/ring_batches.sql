-- Marks every batch of an upload, or of the members of a zip, that is still to be counted as rung, and answers them in
-- file order. Locks: the batches' rows. Rows: one for each batch.
WITH rung AS (
  UPDATE batches SET rung_at = %(now)s::timestamptz
  WHERE
    upload_id = ANY(
      ARRAY(SELECT u.id FROM uploads AS u WHERE u.id = %(upload_id)s::uuid OR u.parent_id = %(upload_id)s::uuid)
    )
    AND state = 'staged'
  RETURNING id
)

SELECT id FROM rung ORDER BY id;
