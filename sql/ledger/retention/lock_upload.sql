-- Locks an upload, if uploads_due would still answer it: it may have been replayed or retracted meanwhile, a delta may
-- wait to be merged or summarized, or the upload may have posts that another upload counts which may still be
-- withdrawn. A statement apart from uploads_due, which takes no lock and goes by age. Locks: the caller shares the lock
-- of post ids; the upload's row. Rows: at most one.
SELECT id FROM uploads
WHERE id = %(upload_id)s::uuid AND finished_at < %(finished_before)s::timestamptz
  AND (state <> 'failed' OR error IS NOT NULL)
  AND NOT EXISTS (
    SELECT FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE
      b.upload_id = uploads.id
      AND (d.merged_at IS NULL OR (d.summarized_at IS NOT NULL) <> (d.sign = 1))
  )
  AND NOT EXISTS (
    SELECT FROM batches AS h
    INNER JOIN post_repeats AS r ON r.holder_id = h.id
    INNER JOIN batches AS o ON o.id = r.owner_id
    INNER JOIN uploads AS w ON w.id = o.upload_id
    WHERE
      h.upload_id = uploads.id AND w.purged_at IS NULL
      AND ((w.finished_at < %(finished_before)s::timestamptz) IS NOT TRUE OR (w.state = 'failed' AND w.error IS NULL))
  )
FOR UPDATE;
