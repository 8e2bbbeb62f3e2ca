-- Whether a batch waits to be counted, is being counted, or arrives. Locks: none. Rows: one.
SELECT exists(SELECT 1 FROM batches WHERE state = 'staged') AS waits;
