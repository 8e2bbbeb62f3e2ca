-- A few batches of an upload that still hold a payload or merged deltas. Row locks in the order of id, before the
-- upload's: a statement of its own, so that what is decided about them next is younger.
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
