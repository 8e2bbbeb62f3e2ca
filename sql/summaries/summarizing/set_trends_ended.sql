-- Says that what is trending was computed, from what is in the summaries now. Locks: the caller holds the summaries'
-- lock. Rows: none.
UPDATE summaries
SET
  trends_ended_at = %(now)s::timestamptz, trends_seconds = %(seconds)s::double precision,
  trends_until = %(until)s::date, trends_stale_since = NULL;
