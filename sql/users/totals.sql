-- A user's mentions in both directions, self-mentions left out and told apart. Costs the user's degree. One row.
WITH every AS (
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE source_id = %(user_id)s::bigint
  UNION ALL
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges
  WHERE target_id = %(user_id)s::bigint AND source_id <> target_id
  UNION ALL
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE %(archived)s::boolean AND source_id = %(user_id)s::bigint
  UNION ALL
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE %(archived)s::boolean AND target_id = %(user_id)s::bigint AND source_id <> target_id
)

SELECT
  count(*) FILTER (WHERE target_id <> source_id AND source_id = %(user_id)s::bigint) AS mentioned_users,
  coalesce(sum(mention_count) FILTER (WHERE target_id <> source_id AND source_id = %(user_id)s::bigint), 0)::bigint
    AS mentions_made,
  coalesce(sum(weight) FILTER (WHERE target_id <> source_id AND source_id = %(user_id)s::bigint), 0) AS weight_made,
  count(*) FILTER (WHERE source_id <> %(user_id)s::bigint) AS mentioning_users,
  coalesce(sum(mention_count) FILTER (WHERE source_id <> %(user_id)s::bigint), 0)::bigint AS mentions_received,
  coalesce(sum(weight) FILTER (WHERE source_id <> %(user_id)s::bigint), 0) AS weight_received,
  coalesce(sum(mention_count) FILTER (WHERE source_id = target_id), 0)::bigint AS self_mentions
FROM every;
