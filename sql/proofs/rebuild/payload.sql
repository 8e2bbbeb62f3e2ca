-- What a batch holds, and how to read and count it. Locks: none. Rows: at most one.
SELECT
  b.id, b.upload_id, b.first_line, b.payload, b.profile, b.profile_version, u.options, u.format, u.received_at
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(batch_id)s::bigint;
