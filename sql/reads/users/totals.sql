-- A user's mentions in both directions, with self-mentions counted apart. Costs the user's degree. Locks: none. Rows:
-- one.
WITH every AS NOT MATERIALIZED (
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  UNION ALL
  SELECT
    source_id, target_id, mention_count,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
)

SELECT
  m.mentioned_users, m.mentions_made, least(m.weight_made, m.mentions_made) AS weight_made,
  r.mentioning_users, r.mentions_received, least(r.weight_received, r.mentions_received) AS weight_received,
  m.self_mentions
FROM (
  SELECT
    count(*) FILTER (WHERE target_id <> source_id) AS mentioned_users,
    coalesce(sum(mention_count) FILTER (WHERE target_id <> source_id), 0)::bigint AS mentions_made,
    coalesce(sum(weight) FILTER (WHERE target_id <> source_id), 0) AS weight_made,
    coalesce(sum(mention_count) FILTER (WHERE target_id = source_id), 0)::bigint AS self_mentions
  FROM every
  WHERE source_id = %(user_id)s::bigint
) AS m
CROSS JOIN (
  SELECT
    count(*) AS mentioning_users, coalesce(sum(mention_count), 0)::bigint AS mentions_received,
    coalesce(sum(weight), 0) AS weight_received
  FROM every
  WHERE target_id = %(user_id)s::bigint AND source_id <> target_id
) AS r;
