-- The run that is not finished. No locks. At most one row.
SELECT id, as_of, stale_before, archive_below, started_at FROM decay_runs WHERE finished_at IS NULL;
