-- Says how many entries a run has left. Locks: the caller holds the summaries' lock. Rows: none.
UPDATE day_runs SET entries = entries - %(gone)s::integer
WHERE part = %(part)s::smallint AND run = %(run)s::bigint;
