-- Replaces an idempotency key's answer. Locks: the key's row. Rows: none.
UPDATE idempotency_keys SET answer = %(answer)s::jsonb WHERE key = %(key)s::text;
