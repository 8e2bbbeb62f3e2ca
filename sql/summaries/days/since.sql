-- The runs of a part that may hold days from one day on. Locks: none. Rows: one for each run.
SELECT run FROM day_runs WHERE part = %(part)s::smallint AND last_day >= %(first_day)s::date ORDER BY run;
