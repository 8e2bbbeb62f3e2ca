-- Marks every batch of an upload, or of the members of a zip, that is still to be counted as rung, and answers them in
-- file order. The first few are to be counted soon if few others of the graph wait. Locks: the batches' rows. Rows: one
-- for each batch.
WITH ours AS (
  SELECT u.id FROM uploads AS u WHERE u.id = %(upload_id)s::uuid OR u.parent_id = %(upload_id)s::uuid
),

waiting AS (
  SELECT 1 AS one FROM batches
  WHERE state = 'staged' AND rung_at IS NOT NULL AND upload_id != ALL(ARRAY(SELECT id FROM ours))
  ORDER BY next_attempt_at
  LIMIT %(head_start)s::integer
),

rung AS (
  UPDATE batches SET rung_at = %(now)s::timestamptz
  WHERE upload_id = ANY(ARRAY(SELECT id FROM ours)) AND state = 'staged'
  RETURNING id
)

SELECT
  id,
  row_number() OVER (ORDER BY id) + (SELECT count(*) FROM waiting) <= %(head_start)s::integer AS soon
FROM rung
ORDER BY id;
