-- The blocks of a run. Locks: the caller holds the summaries' lock. Rows: one for each block.
SELECT source_id, target_id, payload FROM day_blocks
WHERE part = %(part)s::smallint AND run = %(run)s::bigint
ORDER BY source_id, target_id;
