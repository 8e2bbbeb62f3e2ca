-- Says which database this is, and of which graph. Locks: the row. Rows: none.
INSERT INTO secrets (name, secret) VALUES ('graph', %(claim)s::bytea)
ON CONFLICT (name) DO UPDATE SET secret = excluded.secret;
