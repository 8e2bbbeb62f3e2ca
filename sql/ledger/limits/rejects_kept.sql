-- How many rejects are kept of the file that an upload came in: of the upload, or of all files of its zip. Locks: none;
-- the caller may have locked the rows of the upload and its zip. Rows: one.
SELECT coalesce(sum(coalesce(b.rejects_kept, b.rows_rejected)), 0)::bigint AS kept
FROM batches AS b
WHERE
  b.rows_rejected > 0
  AND b.upload_id = ANY(
    ARRAY[%(upload_id)s::uuid]
    || ARRAY(SELECT m.id FROM uploads AS m WHERE m.parent_id = %(parent_id)s::uuid AND m.id <> %(upload_id)s::uuid)
  );
