-- Locks an upload, if uploads_due would still answer it: it may have been replayed or retracted meanwhile, or a delta
-- may wait to be summarized. A statement apart from uploads_due, which takes no lock and goes by age. Locks: the
-- upload's row. Rows: at most one.
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
