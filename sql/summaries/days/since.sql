-- The runs of a part that may hold days from one on. No locks.
SELECT run FROM day_runs WHERE part = %(part)s::smallint AND last_day >= %(first_day)s::date ORDER BY run;
