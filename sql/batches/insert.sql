-- One staged batch of an upload that is still being received. Zero rows: the upload was given up meanwhile.
INSERT INTO batches (upload_id, ordinal, first_line, size_bytes, payload, next_attempt_at, staged_at)
SELECT
  u.id, %(ordinal)s::integer, %(first_line)s::bigint, %(size_bytes)s::integer, %(payload)s::bytea,
  %(now)s::timestamptz, %(now)s::timestamptz
FROM uploads AS u
WHERE u.id = %(upload_id)s::uuid AND u.state = 'receiving'
FOR SHARE OF u
RETURNING id;
