-- From now on so many days are kept, from one on, or none. The summaries' lock is held.
UPDATE summaries
SET
  days_kept = %(days_kept)s::integer, days_from = %(days_from)s::date, days_since = %(days_since)s::timestamptz;
