-- A few rejects of an upload go, in file order. Its row is locked.
DELETE FROM rejects
WHERE
  upload_id = %(upload_id)s::uuid
  AND line IN (
    SELECT r.line FROM rejects AS r WHERE r.upload_id = %(upload_id)s::uuid ORDER BY r.line LIMIT %(limit)s::integer
  );
