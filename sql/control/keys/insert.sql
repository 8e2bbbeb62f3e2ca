-- Keeps a new key. Locks: none. Rows: one; zero where the id exists.
INSERT INTO keys (id, owner, token_sha256, scopes, graphs, created_at, expires_at)
VALUES (
  %(id)s::text, %(owner)s::text, %(token_sha256)s::bytea, %(scopes)s::text[], %(graphs)s::text[],
  %(now)s::timestamptz, %(expires_at)s::timestamptz
)
ON CONFLICT (id) DO NOTHING
RETURNING id;
