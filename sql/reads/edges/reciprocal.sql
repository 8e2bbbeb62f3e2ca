-- Users whom the user mentions and who mention the user, from behind a position in the list; those with the heaviest
-- lighter direction first. The lists are joined, not the tables, since the tables may be distributed by source. Costs
-- what the user mentions. Locks: none. Rows: one for each user, `limit` at most.
WITH made AS MATERIALIZED (
  SELECT
    target_id AS other_id, mention_count, last_seen, NULL::timestamptz AS archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE source_id = %(user_id)s::bigint AND source_id <> target_id
  UNION ALL
  SELECT
    target_id, mention_count, last_seen, archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE
    %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
    AND source_id = %(user_id)s::bigint AND source_id <> target_id
),

received AS MATERIALIZED (
  SELECT
    source_id AS other_id, mention_count, last_seen, NULL::timestamptz AS archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE source_id IN (SELECT other_id FROM made) AND target_id = %(user_id)s::bigint
  UNION ALL
  SELECT
    source_id, mention_count, last_seen, archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE
    %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
    AND source_id IN (SELECT other_id FROM made) AND target_id = %(user_id)s::bigint
)

SELECT
  u.id, u.handle, u.spelling, least(top.weight, top.mentions_made, top.mentions_received) AS weight,
  top.weight AS place, top.mentions_made, least(top.weight_made, top.mentions_made) AS weight_made, top.last_made,
  top.made_archived_at, top.mentions_received, least(top.weight_received, top.mentions_received) AS weight_received,
  top.last_received, top.received_archived_at
FROM (
  SELECT
    m.other_id, least(m.weight, r.weight) AS weight,
    m.mention_count AS mentions_made, m.weight AS weight_made, m.last_seen AS last_made,
    m.archived_at AS made_archived_at,
    r.mention_count AS mentions_received, r.weight AS weight_received, r.last_seen AS last_received,
    r.archived_at AS received_archived_at
  FROM made AS m
  INNER JOIN received AS r ON r.other_id = m.other_id
  WHERE (-least(m.weight, r.weight), m.other_id) > (-%(after_weight)s::double precision, %(after_id)s::bigint)
  ORDER BY weight DESC, m.other_id
  LIMIT %(limit)s::integer
) AS top
INNER JOIN users AS u ON u.id = top.other_id
ORDER BY top.weight DESC, top.other_id;
