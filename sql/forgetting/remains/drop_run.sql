-- Deletes a run that holds nothing any more. Locks: the caller holds the summaries' lock. Rows: none.
DELETE FROM day_runs WHERE part = %(part)s::smallint AND run = %(run)s::bigint;
