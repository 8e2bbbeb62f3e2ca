-- A new sorted run. The summaries' lock is held.
INSERT INTO day_runs (part, level, entries, last_day)
VALUES (%(part)s::smallint, %(level)s::smallint, %(entries)s::integer, %(last_day)s::date)
RETURNING run;
