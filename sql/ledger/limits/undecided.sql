-- Uploads with a limit of rejects that have no batch left to count and are not decided yet. Locks: none. Rows: one for
-- each upload.
SELECT u.id FROM uploads AS u
WHERE
  u.state = 'applying'
  AND u.options ->> 'max_rejects' IS NOT NULL
  AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'staged')
  AND EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'counted')
  AND NOT EXISTS (
    SELECT FROM deltas AS d
    INNER JOIN batches AS b ON b.id = d.batch_id
    WHERE b.upload_id = u.id AND d.merged_at IS NULL AND NOT d.held
  );
