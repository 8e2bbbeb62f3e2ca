-- The body of the first answer, to be given again.
UPDATE idempotency_keys SET answer = %(answer)s::jsonb
WHERE key = %(key)s::text AND answer_status IS NOT NULL AND answer IS NULL
RETURNING key;
