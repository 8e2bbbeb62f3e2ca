-- Runs of which every day is too old. The summaries' lock is held.
DELETE FROM day_runs WHERE last_day < %(first_day)s::date;
