-- Deletes the row of a process that ends as it should. Locks: the process's row. Rows: none.
DELETE FROM processes WHERE host = %(host)s::text AND pid = %(pid)s::integer AND born = %(born)s::bigint;
