-- receiving -> duplicate: the ledger holds these bytes already. Its batches are deleted in the same transaction.
UPDATE uploads
SET
  state = 'duplicate', duplicate_of = %(duplicate_of)s::uuid, sha256 = %(sha256)s::bytea,
  size_bytes = %(size_bytes)s::bigint, batch_count = 0, sealed_at = %(now)s::timestamptz,
  finished_at = %(now)s::timestamptz
WHERE id = %(id)s::uuid AND state = 'receiving'
RETURNING id;
