-- Locks all batches of an upload and of the files of a zip. Locks: the batches' rows, in the order of id, before those
-- of uploads. Rows: one for each batch.
SELECT b.id FROM batches AS b
WHERE
  b.upload_id = ANY(ARRAY[%(id)s::uuid] || ARRAY(SELECT m.id FROM uploads AS m WHERE m.parent_id = %(id)s::uuid))
ORDER BY b.id
FOR UPDATE;
