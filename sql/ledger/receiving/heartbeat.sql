-- Says that the body still arrives, and the options and the format once the service knows them. Locks: the upload's
-- row. Rows: one; zero where the upload was aborted meanwhile.
UPDATE uploads
SET
  heartbeat_at = %(now)s::timestamptz, options = %(options)s::jsonb, format = coalesce(%(format)s::jsonb, format)
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
