-- receiving -> staged: the last byte is in. Raises a unique violation (uploads_same_bytes) where the same bytes are in
-- the ledger already; waits for an upload of the same bytes that is being sealed at this instant. Zero rows: it was
-- given up meanwhile.
UPDATE uploads
SET
  state = 'staged', sha256 = %(sha256)s::bytea, size_bytes = %(size_bytes)s::bigint,
  batch_count = %(batch_count)s::integer, sealed_at = %(now)s::timestamptz, heartbeat_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
