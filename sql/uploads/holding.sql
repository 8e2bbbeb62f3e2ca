-- Uploads that hold deltas and have no batch left to count: they are to be decided. No locks.
SELECT u.id FROM uploads AS u
WHERE
  u.state = 'applying'
  AND u.options ->> 'max_rejects' IS NOT NULL
  AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state IN ('staged', 'failed'))
  AND EXISTS (
    SELECT FROM deltas AS d INNER JOIN batches AS b ON b.id = d.batch_id WHERE b.upload_id = u.id AND d.held
  );
