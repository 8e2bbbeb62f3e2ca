-- Keep how far the run has come in a shard, in the page's own transaction.
INSERT INTO decay_cursors AS c (run_id, shard, source_id, target_id, done, written_down, archived)
VALUES (
  %(run_id)s::bigint, %(shard)s::smallint, %(source_id)s::bigint, %(target_id)s::bigint, %(done)s::boolean,
  %(written_down)s::bigint, %(archived)s::bigint
)
ON CONFLICT (run_id, shard) DO UPDATE SET
  source_id = excluded.source_id, target_id = excluded.target_id, done = excluded.done,
  written_down = c.written_down + excluded.written_down, archived = c.archived + excluded.archived;
