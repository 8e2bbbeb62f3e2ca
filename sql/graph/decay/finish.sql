-- The run is finished. Zero rows: it was already.
UPDATE decay_runs SET finished_at = %(now)s::timestamptz
WHERE id = %(run_id)s::bigint AND finished_at IS NULL
RETURNING id;
