-- The runs of a part of the days. Locks: the caller holds the summaries' lock. Rows: one for each run.
SELECT run FROM day_runs WHERE part = %(part)s::smallint ORDER BY run;
