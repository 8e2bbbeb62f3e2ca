-- Where the database of a graph is that may be used. Locks: none. Rows: one, or none.
SELECT database, database_url FROM graphs WHERE name = %(name)s::text AND state = 'ready';
