-- Adds merged mentions to the totals of users, and holds those of these users that are among the first (see
-- top_user_floors). The given rows are unique and sorted by user_id. Where more than `most` come at once, the floor
-- rises above the rest. Weights meet at the later of two instants, as in graph/edges/merge; a direction's weight that
-- is 830 half-lives older is 0 there. Most users are far from being among the first: the statement passes over users
-- lighter than `light` at an instant before `latest`. Locks: the caller holds the summaries' lock. Rows: none.
WITH touched AS (
  INSERT INTO user_totals AS t (
    user_id, mentions_made, mentions_received, self_mentions, weight_made, weight_received, weighed_at
  )
  SELECT
    d.user_id, d.mentions_made, d.mentions_received, d.self_mentions, d.weight_made, d.weight_received, d.weighed_at
  FROM unnest(
    %(user_ids)s::bigint[], %(mentions_made)s::bigint[], %(mentions_received)s::bigint[], %(self_mentions)s::bigint[],
    %(weights_made)s::double precision[], %(weights_received)s::double precision[], %(weighed_at)s::timestamptz[]
  ) AS d (user_id, mentions_made, mentions_received, self_mentions, weight_made, weight_received, weighed_at)
  ON CONFLICT (user_id) DO UPDATE SET
    mentions_made = t.mentions_made + excluded.mentions_made,
    mentions_received = t.mentions_received + excluded.mentions_received,
    self_mentions = t.self_mentions + excluded.self_mentions,
    weight_made = effective_weight(
      t.weight_made, t.weighed_at, greatest(t.weighed_at, excluded.weighed_at), %(half_life_seconds)s::double precision
    ) + effective_weight(
      excluded.weight_made, excluded.weighed_at, greatest(t.weighed_at, excluded.weighed_at),
      %(half_life_seconds)s::double precision
    ),
    weight_received = effective_weight(
      t.weight_received, t.weighed_at, greatest(t.weighed_at, excluded.weighed_at),
      %(half_life_seconds)s::double precision
    ) + effective_weight(
      excluded.weight_received, excluded.weighed_at, greatest(t.weighed_at, excluded.weighed_at),
      %(half_life_seconds)s::double precision
    ),
    weighed_at = greatest(t.weighed_at, excluded.weighed_at)
  RETURNING t.user_id, t.weight_made, t.weight_received, t.weighed_at
),

heavy AS (
  SELECT
    'made' AS direction, user_id,
    weight_score(weight_made, weighed_at, %(half_life_seconds)s::double precision) AS score
  FROM touched
  WHERE weight_made >= %(light_made)s::double precision OR weighed_at > %(latest)s::timestamptz
  UNION ALL
  SELECT
    'received', user_id, weight_score(weight_received, weighed_at, %(half_life_seconds)s::double precision)
  FROM touched
  WHERE weight_received >= %(light_received)s::double precision OR weighed_at > %(latest)s::timestamptz
),

placed AS (
  SELECT
    h.direction, h.user_id, h.score,
    row_number() OVER (PARTITION BY h.direction ORDER BY h.score DESC, h.user_id) AS place
  FROM heavy AS h
  INNER JOIN top_user_floors AS f ON f.direction = h.direction
  WHERE h.score > f.score OR (h.score = f.score AND h.user_id < f.user_id)
),

raised AS (
  UPDATE top_user_floors AS f SET score = p.score, user_id = p.user_id
  FROM placed AS p
  WHERE p.direction = f.direction AND p.place = %(most)s::integer + 1
)

INSERT INTO top_users AS u (direction, user_id, score)
SELECT p.direction, p.user_id, p.score FROM placed AS p WHERE p.place <= %(most)s::integer
ON CONFLICT (direction, user_id) DO UPDATE SET score = excluded.score;
