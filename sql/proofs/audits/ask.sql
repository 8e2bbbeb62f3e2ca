-- Enters an audit that somebody asks for, unless one is unfinished. Locks: none but its own row. Rows: one; zero where
-- another audit is unfinished.
INSERT INTO audits (sample, asked_at) VALUES (%(sample)s::integer, %(now)s::timestamptz)
ON CONFLICT DO NOTHING
RETURNING id;
