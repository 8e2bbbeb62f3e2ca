-- Takes out of users' totals what was taken out of the graph. The given rows are unique by user_id, and have totals:
-- they were added before. Nothing is left of a weight whose last mention goes, whatever rounding did. Locks: the caller
-- holds the summaries' lock. Rows: none; the count of updated rows is the answer.
UPDATE user_totals AS t
SET
  mentions_made = t.mentions_made - d.mentions_made,
  mentions_received = t.mentions_received - d.mentions_received,
  self_mentions = t.self_mentions - d.self_mentions,
  weight_made = CASE WHEN t.mentions_made > d.mentions_made
    THEN weight_left(
      effective_weight(
        t.weight_made, t.weighed_at, greatest(t.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
      ),
      effective_weight(
        d.weight_made, d.weighed_at, greatest(t.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
      )
    ) ELSE 0 END,
  weight_received = CASE WHEN t.mentions_received > d.mentions_received
    THEN weight_left(
      effective_weight(
        t.weight_received, t.weighed_at, greatest(t.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
      ),
      effective_weight(
        d.weight_received, d.weighed_at, greatest(t.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
      )
    ) ELSE 0 END,
  weighed_at = greatest(t.weighed_at, d.weighed_at)
FROM unnest(
  %(user_ids)s::bigint[], %(mentions_made)s::bigint[], %(mentions_received)s::bigint[], %(self_mentions)s::bigint[],
  %(weights_made)s::double precision[], %(weights_received)s::double precision[], %(weighed_at)s::timestamptz[]
) AS d (user_id, mentions_made, mentions_received, self_mentions, weight_made, weight_received, weighed_at)
WHERE t.user_id = d.user_id;
