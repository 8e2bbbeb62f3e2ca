-- What is trending was worked out, of what is in the summaries now. The summaries' lock is held.
UPDATE summaries
SET
  trends_ended_at = %(now)s::timestamptz, trends_seconds = %(seconds)s::double precision,
  trends_until = %(until)s::date, trends_stale_since = NULL;
