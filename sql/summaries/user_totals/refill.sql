-- Looks for the first `keep` users of a direction, and sets the floor at the next user. Before this no user of the
-- direction is held. Reads every user. Locks: the caller holds the summaries' lock. Rows: none.
WITH scored AS (
  SELECT
    t.user_id,
    weight_score(
      CASE %(direction)s::text WHEN 'made' THEN t.weight_made ELSE t.weight_received END, t.weighed_at,
      %(half_life_seconds)s::double precision
    ) AS score
  FROM user_totals AS t
),

best AS (
  SELECT user_id, score, row_number() OVER (ORDER BY score DESC, user_id) AS place
  FROM (
    SELECT user_id, score FROM scored WHERE score IS NOT NULL
    ORDER BY score DESC, user_id
    LIMIT %(keep)s::integer + 1
  ) AS first
),

lowered AS (
  UPDATE top_user_floors AS f SET
    score = coalesce((SELECT b.score FROM best AS b WHERE b.place > %(keep)s::integer), '-infinity'),
    user_id = coalesce((SELECT b.user_id FROM best AS b WHERE b.place > %(keep)s::integer), 9223372036854775807)
  WHERE f.direction = %(direction)s::text
)

INSERT INTO top_users (direction, user_id, score)
SELECT %(direction)s::text, user_id, score FROM best WHERE place <= %(keep)s::integer;
