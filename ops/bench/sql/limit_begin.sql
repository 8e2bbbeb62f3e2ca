-- An empty table like `edges`, and one to read from. Nothing vacuums them while something is measured.
CREATE SCHEMA IF NOT EXISTS bench;
DROP TABLE IF EXISTS bench.limit_edges, bench.limit_source;
CREATE TABLE bench.limit_edges (LIKE public.edges INCLUDING ALL) WITH (fillfactor = 60, autovacuum_enabled = off);
CREATE TABLE bench.limit_source (LIKE public.edges) WITH (autovacuum_enabled = off);
