-- What a process needs to know of some keys to check their tokens. Locks: none. Rows: one for each key that exists.
SELECT id, owner, token_sha256, scopes, graphs, expires_at, revoked_at
FROM keys
WHERE id = ANY(%(ids)s::text[]);
