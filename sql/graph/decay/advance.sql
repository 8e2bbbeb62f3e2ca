-- Adds to the totals of a run, in the transaction that did the work. Locks: the run's row. Rows: none.
UPDATE decay_runs
SET
  written_down = written_down + %(written_down)s::bigint, archived = archived + %(archived)s::bigint,
  ranges_looked_at = ranges_looked_at + %(ranges)s::bigint
WHERE id = %(run_id)s::bigint;
