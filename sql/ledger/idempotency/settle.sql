-- The body is safe: what it was and how it is answered, in the transaction that seals its upload. Zero rows: the
-- upload has no key.
UPDATE idempotency_keys SET fingerprint = %(fingerprint)s::bytea, answer_status = %(answer_status)s::smallint
WHERE key = %(key)s::text AND upload_id = %(upload_id)s::uuid
RETURNING key;
