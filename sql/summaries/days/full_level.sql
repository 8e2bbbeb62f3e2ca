-- A part and level with so many runs that they are to become one run of the next level, unless that run would be too
-- big for memory: the smallest first. Locks: the caller holds the summaries' lock. Rows: at most one.
SELECT part, level, array_agg(run ORDER BY run) AS runs FROM day_runs
GROUP BY part, level
HAVING count(*) >= %(fan_in)s::integer AND sum(entries) <= %(most_entries)s::bigint
ORDER BY sum(entries)
LIMIT 1;
