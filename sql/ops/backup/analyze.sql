-- A restored database has no statistics before this. Reads a sample of every table; a lock that stops no work.
ANALYZE;
