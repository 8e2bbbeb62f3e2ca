-- A new run, unless its period was worked already or another run is unfinished: then zero rows.
INSERT INTO decay_runs (period, as_of, stale_before, archive_below, started_at)
VALUES (
  %(period)s::timestamptz, %(as_of)s::timestamptz, %(stale_before)s::timestamptz,
  %(archive_below)s::double precision, %(as_of)s::timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id;
