-- How many rows were ever inserted into each of some databases of this server. Every change of state inserts an
-- event, so nothing began in a database whose number stands still. A session that goes on tells the server its
-- numbers late: when it is idle, and after ten seconds at most. Locks: none. Rows: one for each database that is
-- there.
SELECT d.datname AS database, pg_stat_get_db_tuples_inserted(d.oid) AS inserted
FROM pg_database AS d WHERE d.datname = ANY(%(databases)s::text[]);
