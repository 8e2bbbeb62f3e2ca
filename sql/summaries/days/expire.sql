-- Deletes runs whose days are all too old. Locks: the caller holds the summaries' lock. Rows: none.
DELETE FROM day_runs WHERE last_day < %(first_day)s::date;
