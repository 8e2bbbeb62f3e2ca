-- Deletes a few rejects of an upload, in file order. Locks: the caller has locked the upload's row. Rows: none; the
-- count of deleted rows is the answer.
DELETE FROM rejects
WHERE
  upload_id = %(upload_id)s::uuid
  AND line IN (
    SELECT r.line FROM rejects AS r WHERE r.upload_id = %(upload_id)s::uuid ORDER BY r.line LIMIT %(limit)s::integer
  );
