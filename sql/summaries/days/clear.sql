-- Deletes every run: days are not told apart any more. Locks: the caller holds the summaries' lock. Rows: none.
DELETE FROM day_runs;
