-- Ends a key now. Locks: the key's row. Rows: one; zero where no key has the id, or it was revoked before.
UPDATE keys SET revoked_at = %(now)s::timestamptz
WHERE id = %(id)s::text AND revoked_at IS NULL
RETURNING id;
