-- receiving -> duplicate: the ledger holds these bytes already. The caller deletes the upload's batches in the same
-- transaction. Locks: the upload's row. Rows: one; zero where the upload was aborted meanwhile.
UPDATE uploads
SET
  state = 'duplicate', options = %(options)s::jsonb, duplicate_of = %(duplicate_of)s::uuid, sha256 = %(sha256)s::bytea,
  size_bytes = %(size_bytes)s::bigint, batch_count = 0, sealed_at = %(now)s::timestamptz,
  finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
