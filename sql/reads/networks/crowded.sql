-- Tells which of some users make, and which receive, more than so many edges. Reads about so many edges of each user,
-- or twice as many where archived ones count. Locks: none. Rows: one for each user who makes or receives more.
SELECT c.id, c.makes, c.receives
FROM (
  SELECT
    asked.id,
    (
      SELECT count(*) > %(most)s::bigint
      FROM (
        (SELECT FROM edges WHERE source_id = asked.id ORDER BY source_id LIMIT %(most)s::bigint + 1)
        UNION ALL
        (
          SELECT FROM edges_archive
          WHERE %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz AND source_id = asked.id
          ORDER BY source_id
          LIMIT %(most)s::bigint + 1
        )
      ) AS made
    ) AS makes,
    (
      SELECT count(*) > %(most)s::bigint
      FROM (
        (SELECT FROM edges WHERE target_id = asked.id ORDER BY target_id LIMIT %(most)s::bigint + 1)
        UNION ALL
        (
          SELECT FROM edges_archive
          WHERE %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz AND target_id = asked.id
          ORDER BY target_id
          LIMIT %(most)s::bigint + 1
        )
      ) AS received
    ) AS receives
  FROM unnest(%(ids)s::bigint[]) AS asked (id)
) AS c
WHERE c.makes OR c.receives;
