-- A batch with its payload, and how to read and count it. Locks: the batch's row, after the shared lock of post ids.
-- Rows: at most one; zero where the payload is gone.
SELECT
  b.id, b.upload_id, b.state, b.first_line, b.payload, b.profile, b.profile_version, u.options, u.format, u.received_at
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(batch_id)s::bigint AND b.payload IS NOT NULL AND u.format IS NOT NULL
FOR NO KEY UPDATE OF b;
