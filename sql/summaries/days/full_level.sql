-- A part and level that has so many runs that they are to become one of the next, unless that would be too big for
-- memory: the smallest first. The summaries' lock is held. At most one row.
SELECT part, level, array_agg(run ORDER BY run) AS runs FROM day_runs
GROUP BY part, level
HAVING count(*) >= %(fan_in)s::integer AND sum(entries) <= %(most_entries)s::bigint
ORDER BY sum(entries)
LIMIT 1;
