-- Marks every batch of an upload that is still to be counted as rung, and answers them in file order. Locks: the
-- batches' rows. Rows: one for each batch.
WITH rung AS (
  UPDATE batches SET rung_at = %(now)s::timestamptz
  WHERE upload_id = %(upload_id)s::uuid AND state = 'staged'
  RETURNING id
)

SELECT id FROM rung ORDER BY id;
