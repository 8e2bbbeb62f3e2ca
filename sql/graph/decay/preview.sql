-- What a decay run would do now, for `decay --dry-run`. Reads every edge. `look` counts the same by ranges of blocks,
-- as the run needs it. PostgreSQL reads ranges of blocks with one process, and the whole table with several. Locks:
-- none. Rows: one.
SELECT
  count(*) AS edges,
  count(*) FILTER (WHERE weighed_at < %(stale_before)s::timestamptz) AS stale,
  count(*) FILTER (
    WHERE weighed_at < %(stale_before)s::timestamptz
    AND effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
    < %(archive_below)s::double precision
  ) AS to_archive
FROM edges;
