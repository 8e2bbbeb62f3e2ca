-- The latest decay runs, the newest first. Locks: none. Rows: one for each run, `limit` at most.
SELECT as_of, archive_below, started_at, finished_at, written_down, archived, ranges_looked_at
FROM decay_runs
ORDER BY id DESC
LIMIT %(limit)s::integer;
