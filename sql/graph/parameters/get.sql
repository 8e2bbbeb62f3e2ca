-- What every process must agree on. No locks. One row.
SELECT half_life, shards, handle_bits FROM graph_parameters;
