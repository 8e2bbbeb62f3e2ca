-- Makes the totals of all users from all edges; the archive is empty. Reads every edge twice. Locks: the caller holds
-- every shard's lock, and the summaries'. Rows: none.
WITH sides AS NOT MATERIALIZED (
  SELECT
    source_id AS user_id, source_id <> target_id AS made, false AS received, mention_count, weight, weighed_at
  FROM edges
  UNION ALL
  SELECT target_id, false, true, mention_count, weight, weighed_at FROM edges WHERE source_id <> target_id
)

INSERT INTO user_totals (
  user_id, mentions_made, mentions_received, self_mentions, weight_made, weight_received, weighed_at
)
SELECT
  s.user_id,
  coalesce(sum(s.mention_count) FILTER (WHERE s.made), 0),
  coalesce(sum(s.mention_count) FILTER (WHERE s.received), 0),
  coalesce(sum(s.mention_count) FILTER (WHERE NOT s.made AND NOT s.received), 0),
  coalesce(sum(
    effective_weight(s.weight, s.weighed_at, l.weighed_at, %(half_life_seconds)s::double precision)
  ) FILTER (WHERE s.made), 0),
  coalesce(sum(
    effective_weight(s.weight, s.weighed_at, l.weighed_at, %(half_life_seconds)s::double precision)
  ) FILTER (WHERE s.received), 0),
  l.weighed_at
FROM sides AS s
INNER JOIN (SELECT user_id, max(weighed_at) AS weighed_at FROM sides GROUP BY user_id) AS l ON l.user_id = s.user_id
GROUP BY s.user_id, l.weighed_at
ORDER BY s.user_id;
