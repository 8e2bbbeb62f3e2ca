-- The totals of some users as the summaries have them, with weights at an instant. Locks: none. Rows: one for each user
-- who has totals.
SELECT
  user_id AS id, mentions_made, mentions_received,
  least(mentions_made, effective_weight(
    weight_made, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision
  )) AS weight_made,
  least(mentions_received, effective_weight(
    weight_received, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision
  )) AS weight_received
FROM user_totals
WHERE user_id = ANY(%(ids)s::bigint[]);
