-- Says that summaries were made. Locks: the caller holds the summaries' lock. Rows: none.
UPDATE summaries
SET
  ended_at = %(now)s::timestamptz, seconds = %(seconds)s::double precision,
  trends_stale_since = coalesce(
    trends_stale_since, CASE WHEN %(days_changed)s::boolean THEN %(now)s::timestamptz END
  );
