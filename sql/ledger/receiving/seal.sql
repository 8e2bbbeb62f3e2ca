-- receiving -> staged: the last byte is in. The lock of its bytes is held, and no earlier upload has them, or they are
-- wanted again. Zero rows: it was given up meanwhile.
UPDATE uploads
SET
  state = 'staged', format = %(format)s::jsonb, sha256 = %(sha256)s::bytea, size_bytes = %(size_bytes)s::bigint,
  batch_count = %(batch_count)s::integer, sealed_at = %(now)s::timestamptz, heartbeat_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
