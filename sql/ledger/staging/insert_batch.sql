-- Adds one staged batch of an upload that is still being received. The batch may exist: an earlier try whose answer was
-- lost. Locks: the upload's row. Rows: one; zero where the upload was aborted meanwhile.
INSERT INTO batches (upload_id, ordinal, first_line, size_bytes, rows_staged, payload, next_attempt_at, staged_at)
SELECT
  u.id, %(ordinal)s::integer, %(first_line)s::bigint, %(size_bytes)s::integer, %(rows_staged)s::integer,
  %(payload)s::bytea, %(now)s::timestamptz, %(now)s::timestamptz
FROM uploads AS u
WHERE u.id = %(upload_id)s::uuid AND u.state = 'receiving'
FOR SHARE OF u
ON CONFLICT (upload_id, ordinal) DO UPDATE SET staged_at = excluded.staged_at
RETURNING id;
