-- How many users a user mentions or is mentioned by: those of both directions, less those of both at once, which are
-- looked up one by one from the shorter side. Costs the user's degree. No locks. One row.
WITH counts AS MATERIALIZED (
  SELECT
    (SELECT count(*) FROM edges WHERE source_id = %(user_id)s::bigint AND target_id <> source_id)
    + (
      SELECT count(*) FROM edges_archive
      WHERE %(archived)s::boolean AND source_id = %(user_id)s::bigint AND target_id <> source_id
    ) AS made,
    (SELECT count(*) FROM edges WHERE target_id = %(user_id)s::bigint AND source_id <> target_id)
    + (
      SELECT count(*) FROM edges_archive
      WHERE %(archived)s::boolean AND target_id = %(user_id)s::bigint AND source_id <> target_id
    ) AS received
)

SELECT
  made + received - CASE
    WHEN made < received THEN (
      SELECT coalesce(sum(back.edges), 0)::bigint
      FROM (
        SELECT target_id AS id FROM edges WHERE source_id = %(user_id)s::bigint AND target_id <> source_id
        UNION ALL
        SELECT target_id FROM edges_archive
        WHERE %(archived)s::boolean AND source_id = %(user_id)s::bigint AND target_id <> source_id
      ) AS m
      CROSS JOIN LATERAL (
        SELECT
          (SELECT count(*) FROM edges WHERE source_id = m.id AND target_id = %(user_id)s::bigint)
          + (
            SELECT count(*) FROM edges_archive
            WHERE %(archived)s::boolean AND source_id = m.id AND target_id = %(user_id)s::bigint
          ) AS edges
      ) AS back
    )
    ELSE (
      SELECT coalesce(sum(back.edges), 0)::bigint
      FROM (
        SELECT source_id AS id FROM edges WHERE target_id = %(user_id)s::bigint AND source_id <> target_id
        UNION ALL
        SELECT source_id FROM edges_archive
        WHERE %(archived)s::boolean AND target_id = %(user_id)s::bigint AND source_id <> target_id
      ) AS r
      CROSS JOIN LATERAL (
        SELECT
          (SELECT count(*) FROM edges WHERE source_id = %(user_id)s::bigint AND target_id = r.id)
          + (
            SELECT count(*) FROM edges_archive
            WHERE %(archived)s::boolean AND source_id = %(user_id)s::bigint AND target_id = r.id
          ) AS edges
      ) AS back
    )
  END AS users
FROM counts;
