-- Lets a key expire at an instant, if it does not expire before. Locks: the key's row. Rows: one.
UPDATE keys SET expires_at = least(expires_at, %(at)s::timestamptz)
WHERE id = %(id)s::text
RETURNING id;
