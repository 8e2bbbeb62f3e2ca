-- What the run did, in the transaction that did it.
UPDATE decay_runs
SET
  written_down = written_down + %(written_down)s::bigint, archived = archived + %(archived)s::bigint,
  ranges_looked_at = ranges_looked_at + %(ranges)s::bigint
WHERE id = %(run_id)s::bigint;
