-- Deletes a block that holds nothing any more. Locks: the caller holds the summaries' lock. Rows: none.
DELETE FROM day_blocks
WHERE
  part = %(part)s::smallint AND run = %(run)s::bigint
  AND source_id = %(source_id)s::bigint AND target_id = %(target_id)s::bigint;
