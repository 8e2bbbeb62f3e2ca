-- A key that is about to be rotated. Locks: the key's row. Rows: at most one.
SELECT id, owner, scopes, graphs, created_at, expires_at, revoked_at
FROM keys
WHERE id = %(id)s::text
FOR NO KEY UPDATE;
