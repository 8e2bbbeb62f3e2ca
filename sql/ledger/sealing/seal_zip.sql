-- receiving -> staged for a zip whose members were sealed in the same transaction; applied at once where earlier
-- uploads hold all of them. Locks: the zip's row, after those of its members. Rows: one; zero where the upload was
-- aborted meanwhile.
UPDATE uploads
SET
  state = CASE WHEN %(all_known)s::boolean THEN 'applied' ELSE 'staged' END,
  finished_at = CASE WHEN %(all_known)s::boolean THEN %(now)s::timestamptz END,
  options = %(options)s::jsonb, sha256 = %(sha256)s::bytea, size_bytes = %(size_bytes)s::bigint, batch_count = 0,
  members = %(members)s::integer, sealed_at = %(now)s::timestamptz, heartbeat_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
