-- The blocks of some runs of a part. Locks: none. Rows: one for each block.
SELECT payload FROM day_blocks
WHERE part = %(part)s::smallint AND run = ANY(%(runs)s::bigint[])
ORDER BY run, source_id, target_id;
