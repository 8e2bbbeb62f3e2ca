-- What a batch holds, and how to read and count it; with the latest part of its deltas. Locks: none. Rows: at most one.
SELECT
  b.id, b.upload_id, b.state, b.first_line, b.payload, b.profile, b.profile_version, u.options, u.format, u.received_at,
  (SELECT coalesce(max(d.part), 0) FROM deltas AS d WHERE d.batch_id = b.id) AS part
FROM batches AS b
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE b.id = %(batch_id)s::bigint;
