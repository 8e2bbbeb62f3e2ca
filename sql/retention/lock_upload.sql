-- The upload, if it is still finished for as long: it may have been replayed or retracted meanwhile. Locks its row.
SELECT id FROM uploads
WHERE id = %(upload_id)s::uuid AND finished_at < %(finished_before)s::timestamptz
  AND (state <> 'failed' OR error IS NOT NULL)
FOR UPDATE;
