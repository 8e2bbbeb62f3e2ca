-- Functions that look into pages; the server is the benchmark's own.
CREATE EXTENSION IF NOT EXISTS pageinspect;
