-- Everything of the benchmark's own.
DROP SCHEMA IF EXISTS bench CASCADE;
