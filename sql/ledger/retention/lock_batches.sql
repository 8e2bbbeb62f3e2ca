-- Locks a few batches of an upload that still hold a payload or merged deltas. A statement of its own, so that what is
-- decided about the batches next is younger than the lock. Locks: the batches' rows, in the order of id, before the
-- upload's. Rows: one for each batch, `limit` at most.
SELECT b.id FROM batches AS b
WHERE
  b.upload_id = %(upload_id)s::uuid
  AND (
    b.payload IS NOT NULL
    OR EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NOT NULL)
  )
ORDER BY b.id
LIMIT %(limit)s::integer
FOR UPDATE;
