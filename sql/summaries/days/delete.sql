-- These runs go, and their blocks with them: another holds what they held. The summaries' lock is held.
DELETE FROM day_runs WHERE part = %(part)s::smallint AND run = ANY(%(runs)s::bigint[]);
