-- Users at random, as their totals and as their edges have them, the archive's included. Reads every edge. Locks: none.
-- Rows: one for each user, `limit` at most; zero while anything waits to be summarized, or to be taken out of the
-- summaries, since totals and edges would differ.
WITH sampled AS MATERIALIZED (
  SELECT user_id, mentions_made, mentions_received, self_mentions, weight_made, weight_received, weighed_at
  FROM user_totals
  WHERE NOT EXISTS (
    SELECT FROM deltas WHERE ((sign = 1) = (merged_at IS NOT NULL)) <> (summarized_at IS NOT NULL)
  )
  ORDER BY random()
  LIMIT %(limit)s::integer
),

every AS NOT MATERIALIZED (
  SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges
  UNION ALL
  SELECT source_id, target_id, mention_count, weight, weighed_at FROM edges_archive
),

sides AS (
  SELECT
    s.user_id, e.source_id <> e.target_id AS made, false AS received, e.mention_count,
    effective_weight(e.weight, e.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM sampled AS s INNER JOIN every AS e ON e.source_id = s.user_id
  UNION ALL
  SELECT
    s.user_id, false, true, e.mention_count,
    effective_weight(e.weight, e.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM sampled AS s INNER JOIN every AS e ON e.target_id = s.user_id AND e.source_id <> e.target_id
)

SELECT
  coalesce(
    s.mentions_made = e.mentions_made AND s.mentions_received = e.mentions_received
    AND s.self_mentions = e.self_mentions, false
  ) AS counts_agree,
  greatest(
    abs(w.made - coalesce(e.weight_made, 0)) / greatest(w.made, e.weight_made, %(light)s::double precision),
    abs(w.received - coalesce(e.weight_received, 0))
    / greatest(w.received, e.weight_received, %(light)s::double precision)
  ) AS deviation
FROM sampled AS s
LEFT JOIN (
  SELECT
    user_id,
    coalesce(sum(mention_count) FILTER (WHERE made), 0)::bigint AS mentions_made,
    coalesce(sum(mention_count) FILTER (WHERE received), 0)::bigint AS mentions_received,
    coalesce(sum(mention_count) FILTER (WHERE NOT made AND NOT received), 0)::bigint AS self_mentions,
    coalesce(sum(weight) FILTER (WHERE made), 0) AS weight_made,
    coalesce(sum(weight) FILTER (WHERE received), 0) AS weight_received
  FROM sides GROUP BY user_id
) AS e ON e.user_id = s.user_id
CROSS JOIN LATERAL (
  SELECT
    effective_weight(s.weight_made, s.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision)
      AS made,
    effective_weight(s.weight_received, s.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision)
      AS received
) AS w;
