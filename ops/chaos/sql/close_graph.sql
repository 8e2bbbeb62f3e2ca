-- Lets nobody into a database, and ends its connections. Locks: a row of the catalogue. Rows: one for each connection.
WITH closed AS (
  UPDATE pg_database SET datallowconn = false WHERE datname = %(database)s RETURNING oid
)

SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a INNER JOIN closed ON closed.oid = a.datid;
