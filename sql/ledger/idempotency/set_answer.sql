-- Keeps the body of the first answer, to give it again. Locks: the key's row. Rows: one; zero where the upload has no
-- key.
UPDATE idempotency_keys SET answer = %(answer)s::jsonb
WHERE key = %(key)s::text AND answer_status IS NOT NULL AND answer IS NULL
RETURNING key;
