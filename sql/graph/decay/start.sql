-- Starts a run, unless another run is unfinished. Locks: none but its own row. Rows: one; zero where another run is
-- unfinished.
INSERT INTO decay_runs (as_of, stale_before, archive_below, started_at)
VALUES (
  %(as_of)s::timestamptz, %(stale_before)s::timestamptz, %(archive_below)s::double precision, %(as_of)s::timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id;
