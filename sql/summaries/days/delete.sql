-- Deletes these runs with their blocks: another run holds what they held. Locks: the caller holds the summaries' lock.
-- Rows: none.
DELETE FROM day_runs WHERE part = %(part)s::smallint AND run = ANY(%(runs)s::bigint[]);
