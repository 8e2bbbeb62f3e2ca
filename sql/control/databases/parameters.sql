-- Half-life and shards of this database's graph. Locks: none. Rows: one.
SELECT half_life, shards FROM graph_parameters;
