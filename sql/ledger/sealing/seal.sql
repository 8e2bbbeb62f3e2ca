-- receiving -> staged: the last byte is in. No earlier upload has these bytes, or the client wants them again. Locks:
-- the caller holds the lock of these bytes; the upload's row. Rows: one; zero where the upload was aborted meanwhile.
UPDATE uploads
SET
  state = 'staged', options = %(options)s::jsonb, format = %(format)s::jsonb,
  sha256 = %(sha256)s::bytea, size_bytes = %(size_bytes)s::bigint,
  batch_count = %(batch_count)s::integer, sealed_at = %(now)s::timestamptz, heartbeat_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
