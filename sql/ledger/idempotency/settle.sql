-- Keeps what the body was and how it is answered, in the transaction that seals its upload. Locks: the key's row. Rows:
-- zero or one; zero where the upload has no key.
UPDATE idempotency_keys SET fingerprint = %(fingerprint)s::bytea, answer_status = %(answer_status)s::smallint
WHERE key = %(key)s::text AND upload_id = %(upload_id)s::uuid
RETURNING key;
