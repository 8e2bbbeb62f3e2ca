-- What a run did so far, and in how many ranges it still has to look. One row.
SELECT
  r.written_down, r.archived, r.ranges_looked_at AS looked_at,
  (SELECT count(*) FROM decay_ranges AS d WHERE d.oldest < r.stale_before AND r.finished_at IS NULL) AS to_look_at
FROM decay_runs AS r WHERE r.id = %(run_id)s::bigint;
