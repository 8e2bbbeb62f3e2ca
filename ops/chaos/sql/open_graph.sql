-- Lets connections into a database again. Locks: a row of the catalogue. Rows: none.
UPDATE pg_database SET datallowconn = true WHERE datname = %(database)s;
