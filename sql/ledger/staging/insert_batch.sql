-- One staged batch of an upload that is still being received. It may be there: an earlier try whose answer was lost.
-- Zero rows: the upload was given up meanwhile.
INSERT INTO batches (upload_id, ordinal, first_line, size_bytes, rows_staged, payload, next_attempt_at, staged_at)
SELECT
  u.id, %(ordinal)s::integer, %(first_line)s::bigint, %(size_bytes)s::integer, %(rows_staged)s::integer,
  %(payload)s::bytea, %(now)s::timestamptz, %(now)s::timestamptz
FROM uploads AS u
WHERE u.id = %(upload_id)s::uuid AND u.state = 'receiving'
FOR SHARE OF u
ON CONFLICT (upload_id, ordinal) DO UPDATE SET staged_at = excluded.staged_at
RETURNING id;
