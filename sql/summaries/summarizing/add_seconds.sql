-- Tidying up took time as well. The summaries' lock is held.
UPDATE summaries SET ended_at = %(now)s::timestamptz, seconds = seconds + %(seconds)s::double precision;
