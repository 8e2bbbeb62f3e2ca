-- A user's mentions in both directions, self-mentions left out and told apart. Costs the user's degree. One row.
SELECT
  outgoing.edges AS mentioned_users, outgoing.mentions AS mentions_made, outgoing.weight AS weight_made,
  incoming.edges AS mentioning_users, incoming.mentions AS mentions_received, incoming.weight AS weight_received,
  coalesce((
    SELECT mention_count FROM edges WHERE source_id = %(user_id)s::bigint AND target_id = %(user_id)s::bigint
  ), 0)::bigint AS self_mentions
FROM (
  SELECT
    count(*) AS edges, coalesce(sum(mention_count), 0)::bigint AS mentions,
    coalesce(sum(
      effective_weight(weight, weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision)
    ), 0) AS weight
  FROM edges WHERE source_id = %(user_id)s::bigint AND target_id <> source_id
) AS outgoing
CROSS JOIN (
  SELECT
    count(*) AS edges, coalesce(sum(mention_count), 0)::bigint AS mentions,
    coalesce(sum(
      effective_weight(weight, weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision)
    ), 0) AS weight
  FROM edges WHERE target_id = %(user_id)s::bigint AND target_id <> source_id
) AS incoming;
