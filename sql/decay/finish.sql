-- The run is finished once every shard is done. Zero rows: not yet, or done already.
UPDATE decay_runs AS r SET finished_at = %(now)s::timestamptz
WHERE
  r.id = %(run_id)s::bigint AND r.finished_at IS NULL
  AND (SELECT count(*) FROM decay_cursors AS c WHERE c.run_id = r.id AND c.done) = %(shards)s::integer
RETURNING r.id;
