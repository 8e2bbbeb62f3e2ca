-- Replaces a block of a run; the block begins with another key now, if its first key went. Locks: the caller holds the
-- summaries' lock. Rows: none.
UPDATE day_blocks
SET source_id = %(first_source)s::bigint, target_id = %(first_target)s::bigint, payload = %(payload)s::bytea
WHERE
  part = %(part)s::smallint AND run = %(run)s::bigint
  AND source_id = %(source_id)s::bigint AND target_id = %(target_id)s::bigint;
