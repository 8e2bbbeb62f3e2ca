-- What a batch holds, how to read and count it, and the number of the next part of its deltas. Locks: the caller has
-- the lock of post ids, alone, so nobody else adds a part. Rows: at most one.
SELECT
  b.id, b.first_line, b.payload, b.profile, b.profile_version, u.options, u.format, u.received_at,
  (SELECT coalesce(max(d.part), 0) + 1 FROM deltas AS d WHERE d.batch_id = b.id) AS part
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(batch_id)s::bigint;
