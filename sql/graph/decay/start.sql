-- A new run, unless another one is unfinished: then zero rows.
INSERT INTO decay_runs (as_of, stale_before, archive_below, started_at)
VALUES (
  %(as_of)s::timestamptz, %(stale_before)s::timestamptz, %(archive_below)s::double precision, %(as_of)s::timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id;
