-- The cutter counts a batch's rows before it stages the batch. Batches that were staged before this migration say NULL.
-- depends: 0001_ledger_and_graph
-- oldest-release: 0.1
-- locks: batches, while its rows are checked once
-- rewrites: nothing

-- What the cutter counted is what the worker receives.
ALTER TABLE batches ADD COLUMN rows_staged integer
CHECK (rows_staged > 0)
CONSTRAINT received_rows_are_those_staged CHECK (rows_received = rows_staged);
