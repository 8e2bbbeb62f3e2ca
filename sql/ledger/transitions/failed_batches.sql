-- Failed batches that a replay would take: of one upload (or of the members of a zip), one batch, or all. Locks: none.
-- Rows: one for each batch.
SELECT
  b.id, b.upload_id, b.ordinal, coalesce(u.options ->> 'priority', 'bulk') AS priority, b.attempts,
  b.payload IS NOT NULL AS replayable, b.rows_staged AS rows, b.error
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE
  b.state = 'failed'
  AND (%(upload_id)s::uuid IS NULL OR %(upload_id)s::uuid IN (u.id, u.parent_id))
  AND (%(batch_id)s::bigint IS NULL OR b.id = %(batch_id)s::bigint)
ORDER BY b.id;
