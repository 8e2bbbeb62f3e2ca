-- Which of these names databases of this server have. Locks: none. Rows: one a database.
SELECT datname FROM pg_database WHERE datname = any(%(names)s::text[]);
