-- The parameters that every process must agree on. Locks: none. Rows: one.
SELECT half_life, shards, handle_bits FROM graph_parameters;
