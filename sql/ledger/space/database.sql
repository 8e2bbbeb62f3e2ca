-- The size of the database in bytes, as far as its files tell: without the log (WAL). Locks: none. Rows: one.
SELECT pg_database_size(current_database())::bigint AS bytes;
