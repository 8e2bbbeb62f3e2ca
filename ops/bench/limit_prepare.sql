-- A copy of the graph's edges to read from, and an empty table like `edges` to write to.
DROP TABLE IF EXISTS limit_edges, limit_source;
CREATE TABLE limit_source AS SELECT * FROM edges;
CREATE TABLE limit_edges (LIKE edges INCLUDING ALL) WITH (fillfactor = 60);
ANALYZE limit_source;
CHECKPOINT;
