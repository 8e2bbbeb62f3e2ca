-- Finishes a run. Locks: the run's row. Rows: one; zero where the run was finished already.
UPDATE decay_runs SET finished_at = %(now)s::timestamptz
WHERE id = %(run_id)s::bigint AND finished_at IS NULL
RETURNING id;
