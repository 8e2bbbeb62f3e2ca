-- Ends a key now. An earlier revocation keeps its instant. Locks: the key's row. Rows: one; zero where no key has the
-- id.
UPDATE keys SET revoked_at = coalesce(revoked_at, %(now)s::timestamptz)
WHERE id = %(id)s::text
RETURNING id;
