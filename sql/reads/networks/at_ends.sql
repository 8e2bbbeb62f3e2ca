-- The number of edges that begin at some users, and of those that end at others, counted up to a limit. Locks: none.
-- Rows: one.
SELECT
  (
    SELECT count(*)
    FROM (
      SELECT FROM edges WHERE source_id = ANY(%(sources)s::bigint[])
      UNION ALL
      SELECT FROM edges_archive
      WHERE
        %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
        AND source_id = ANY(%(sources)s::bigint[])
      LIMIT %(most)s::bigint
    ) AS made
  ) AS made,
  (
    SELECT count(*)
    FROM (
      SELECT FROM edges WHERE target_id = ANY(%(targets)s::bigint[])
      UNION ALL
      SELECT FROM edges_archive
      WHERE
        %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
        AND target_id = ANY(%(targets)s::bigint[])
      LIMIT %(most)s::bigint
    ) AS received
  ) AS received;
