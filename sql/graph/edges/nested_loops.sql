-- Until the end of the transaction every row of an array is looked up through an index: what the planner guesses of
-- arrays, and of a table that grows, must not lead it to read the whole table.
SELECT
  set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
  set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
