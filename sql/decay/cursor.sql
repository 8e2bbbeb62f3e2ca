-- How far a run has come in a shard; the shard's lock is held, so nobody else moves it. At most one row.
SELECT source_id, target_id, done FROM decay_cursors WHERE run_id = %(run_id)s::bigint AND shard = %(shard)s::smallint;
