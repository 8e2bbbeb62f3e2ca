-- Let an export end at an instant, hold edges that were archived later than the instant that it is about, and leave out
-- edges that weigh nothing at that instant.
-- depends: 0007_warnings
-- oldest-release: 0.1
-- locks: nothing
-- rewrites: nothing

-- Processes of earlier releases give nine arguments, and get the same edges as before.
-- squawk-ignore ban-drop-function
DROP FUNCTION selected_edges(
  timestamptz, double precision, boolean, boolean, double precision, timestamptz, bigint[], integer, boolean
);

-- The edges that an export holds. Its arguments are constants where it is planned, so that what is not asked for costs
-- nothing: the function is inlined. since, until: an edge passes if its time, from its first mention to its last,
-- touches the time from `since` (included) to `until` (left out). around: users' ids, NULL for everybody; depth: how
-- many steps from them (0 to 2) a user is counted among them; touching: whether one end among them is enough. A step is
-- taken along any edge that passes. archived_after: of the archive, only edges that were archived later than this.
-- weighty_after: edges that weigh 0 do not pass. An edge weighed later than this, with more than 1e-9, weighs more than
-- 0 for certain, and is not weighed to find out.
-- OFFSET 0 keeps PostgreSQL, which cannot know how few they are, from reading every edge in place of theirs.
CREATE FUNCTION selected_edges(
  at timestamptz, half_life_seconds double precision, with_archive boolean, with_self_mentions boolean,
  lightest double precision, since timestamptz, around bigint[], depth integer, touching boolean,
  until timestamptz DEFAULT NULL, archived_after timestamptz DEFAULT NULL, weighty_after timestamptz DEFAULT NULL
) RETURNS TABLE (
  source_id bigint, target_id bigint, mention_count bigint, weight double precision,
  first_seen timestamptz, last_seen timestamptz, archived_at timestamptz
) LANGUAGE sql STABLE AS $$
  WITH passing AS NOT MATERIALIZED (
    SELECT
      e.source_id, e.target_id, e.mention_count,
      effective_weight(e.weight, e.weighed_at, at, half_life_seconds) AS weight,
      e.first_seen, e.last_seen, NULL::timestamptz AS archived_at
    FROM edges AS e
    WHERE (with_self_mentions OR e.source_id <> e.target_id)
      AND (since IS NULL OR e.last_seen >= since)
      AND (until IS NULL OR e.first_seen < until)
      AND (lightest IS NULL OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) >= lightest)
      AND (
        weighty_after IS NULL
        OR (e.weighed_at > weighty_after AND e.weight > 1e-9)
        OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) > 0
      )
    UNION ALL
    SELECT
      e.source_id, e.target_id, e.mention_count,
      effective_weight(e.weight, e.weighed_at, at, half_life_seconds),
      e.first_seen, e.last_seen, e.archived_at
    FROM edges_archive AS e
    WHERE with_archive
      AND (archived_after IS NULL OR e.archived_at > archived_after)
      AND (with_self_mentions OR e.source_id <> e.target_id)
      AND (since IS NULL OR e.last_seen >= since)
      AND (until IS NULL OR e.first_seen < until)
      AND (lightest IS NULL OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) >= lightest)
      AND (
        weighty_after IS NULL
        OR (e.weighed_at > weighty_after AND e.weight > 1e-9)
        OR effective_weight(e.weight, e.weighed_at, at, half_life_seconds) > 0
      )
  ),
  given AS MATERIALIZED (SELECT DISTINCT unnest(around) AS id),
  beside AS MATERIALIZED (
    SELECT g.id FROM given AS g
    UNION
    SELECT n.id FROM given AS g
    CROSS JOIN LATERAL (SELECT p.target_id AS id FROM passing AS p WHERE p.source_id = g.id OFFSET 0) AS n
    WHERE depth > 0
    UNION
    SELECT n.id FROM given AS g
    CROSS JOIN LATERAL (SELECT p.source_id AS id FROM passing AS p WHERE p.target_id = g.id OFFSET 0) AS n
    WHERE depth > 0
  ),
  near AS MATERIALIZED (
    SELECT b.id FROM beside AS b
    UNION
    SELECT n.id FROM beside AS b
    CROSS JOIN LATERAL (SELECT p.target_id AS id FROM passing AS p WHERE p.source_id = b.id OFFSET 0) AS n
    WHERE depth > 1
    UNION
    SELECT n.id FROM beside AS b
    CROSS JOIN LATERAL (SELECT p.source_id AS id FROM passing AS p WHERE p.target_id = b.id OFFSET 0) AS n
    WHERE depth > 1
  )
  SELECT p.* FROM passing AS p WHERE around IS NULL
  UNION ALL
  SELECT e.* FROM near AS s
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.source_id = s.id OFFSET 0) AS e
  INNER JOIN near AS t ON t.id = e.target_id
  WHERE around IS NOT NULL
  UNION ALL
  SELECT e.* FROM near AS s
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.source_id = s.id OFFSET 0) AS e
  LEFT JOIN near AS t ON t.id = e.target_id
  WHERE around IS NOT NULL AND touching AND t.id IS NULL
  UNION ALL
  SELECT e.* FROM near AS t
  CROSS JOIN LATERAL (SELECT p.* FROM passing AS p WHERE p.target_id = t.id OFFSET 0) AS e
  LEFT JOIN near AS s ON s.id = e.source_id
  WHERE around IS NOT NULL AND touching AND s.id IS NULL
$$;

INSERT INTO schema_compatibility (migration, oldest_release) VALUES ('0008_what_an_export_holds', '0.1');
