-- From now on so many days are kept, from one day on, or none. What is trending is to be computed anew where another
-- number of days is kept. Locks: the caller holds the summaries' lock. Rows: none.
UPDATE summaries
SET
  trends_stale_since = CASE
    WHEN days_kept = %(days_kept)s::integer THEN trends_stale_since
    ELSE coalesce(trends_stale_since, %(now)s::timestamptz)
  END,
  days_kept = %(days_kept)s::integer, days_from = %(days_from)s::date, days_since = %(days_since)s::timestamptz;
