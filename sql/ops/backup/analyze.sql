-- Gathers statistics, which a restored database does not have. Reads a sample of every table. Locks: SHARE UPDATE
-- EXCLUSIVE on each table, which stops no work. Rows: none.
ANALYZE;
