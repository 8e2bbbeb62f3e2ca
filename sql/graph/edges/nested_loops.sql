-- Makes PostgreSQL look up every row of an array through an index, until the end of the transaction. What the planner
-- guesses of arrays, and of a table that grows, must not lead it to read the whole table. Locks: none. Rows: one.
SELECT
  set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
