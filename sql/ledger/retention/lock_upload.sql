-- The upload, if it is still finished for as long: it may have been replayed or retracted meanwhile; and if nothing of
-- it waits to be summarized. Locks its row.
SELECT id FROM uploads
WHERE id = %(upload_id)s::uuid AND finished_at < %(finished_before)s::timestamptz
  AND (state <> 'failed' OR error IS NOT NULL)
  AND NOT EXISTS (
    SELECT FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE
      b.upload_id = uploads.id AND d.merged_at IS NOT NULL AND (d.summarized_at IS NOT NULL) <> (d.sign = 1)
  )
FOR UPDATE;
