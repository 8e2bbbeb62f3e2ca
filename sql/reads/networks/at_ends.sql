-- How many edges begin at some users, and how many end at others; counted up to a limit. No locks. One row.
SELECT
  (
    SELECT count(*)
    FROM (
      SELECT FROM edges WHERE source_id = ANY(%(sources)s::bigint[])
      UNION ALL
      SELECT FROM edges_archive WHERE %(archived)s::boolean AND source_id = ANY(%(sources)s::bigint[])
      LIMIT %(most)s::bigint
    ) AS made
  ) AS made,
  (
    SELECT count(*)
    FROM (
      SELECT FROM edges WHERE target_id = ANY(%(targets)s::bigint[])
      UNION ALL
      SELECT FROM edges_archive WHERE %(archived)s::boolean AND target_id = ANY(%(targets)s::bigint[])
      LIMIT %(most)s::bigint
    ) AS received
  ) AS received;
