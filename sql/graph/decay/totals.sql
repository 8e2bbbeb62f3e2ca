-- What a run did so far, and the number of ranges it still has to look at. Locks: none. Rows: one.
SELECT
  r.written_down, r.archived, r.ranges_looked_at AS looked_at,
  (SELECT count(*) FROM decay_ranges AS d WHERE d.oldest < r.stale_before AND r.finished_at IS NULL) AS to_look_at
FROM decay_runs AS r WHERE r.id = %(run_id)s::bigint;
