-- Adds the seconds that tidying up took. Locks: the caller holds the summaries' lock. Rows: none.
UPDATE summaries SET ended_at = %(now)s::timestamptz, seconds = seconds + %(seconds)s::double precision;
