-- Uploads with rejects that were finished so long ago that the rejects may go. Hops from upload to upload through the
-- primary key of rejects, so it costs the number of uploads with rejects, however many each has. Locks: none. Rows: one
-- for each upload.
WITH RECURSIVE holder AS (
  (SELECT r.upload_id FROM rejects AS r ORDER BY r.upload_id LIMIT 1)
  UNION ALL
  SELECT (SELECT r.upload_id FROM rejects AS r WHERE r.upload_id > h.upload_id ORDER BY r.upload_id LIMIT 1)
  FROM holder AS h
  WHERE h.upload_id IS NOT NULL
)

SELECT u.id
FROM holder AS h
INNER JOIN uploads AS u ON u.id = h.upload_id
WHERE u.finished_at < %(finished_before)s::timestamptz
ORDER BY u.finished_at;
