-- The run that is not finished. Locks: none. Rows: at most one.
SELECT id, as_of, stale_before, archive_below, started_at FROM decay_runs WHERE finished_at IS NULL;
