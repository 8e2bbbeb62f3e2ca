-- A page of the batches of uploads, after a batch. Locks: none. Rows: one for each batch, `limit` at most.
SELECT id, upload_id, ordinal, state, staged_at, applied_at, size_bytes, rows_received, rows_rejected, mentions
FROM batches
WHERE
  upload_id = ANY(%(upload_ids)s::uuid[])
  AND (upload_id, ordinal) > (%(after_upload)s::uuid, %(after_ordinal)s::integer)
ORDER BY upload_id, ordinal
LIMIT %(limit)s::integer;
