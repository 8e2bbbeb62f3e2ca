-- Adds a sorted run. Locks: the caller holds the summaries' lock. Rows: one.
INSERT INTO day_runs (part, level, entries, last_day)
VALUES (%(part)s::smallint, %(level)s::smallint, %(entries)s::integer, %(last_day)s::date)
RETURNING run;
