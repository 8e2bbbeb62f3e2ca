-- The edges between some users, self-mentions left out, the heaviest first. `found` is the number of all these edges,
-- without the limit. Locks: none. Rows: one for each edge, `limit` at most.
SELECT
  e.source_id, e.target_id, e.mention_count, least(e.weight, e.mention_count) AS weight, e.first_seen, e.last_seen,
  e.archived_at,
  count(*) OVER () AS found
FROM (
  SELECT
    source_id, target_id, mention_count, first_seen, last_seen, NULL::timestamptz AS archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision) AS weight
  FROM edges
  WHERE source_id = ANY(%(ids)s::bigint[]) AND target_id = ANY(%(ids)s::bigint[]) AND source_id <> target_id
  UNION ALL
  SELECT
    source_id, target_id, mention_count, first_seen, last_seen, archived_at,
    effective_weight(weight, weighed_at, %(as_of)s::timestamptz, %(half_life_seconds)s::double precision)
  FROM edges_archive
  WHERE
    %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
    AND source_id = ANY(%(ids)s::bigint[]) AND target_id = ANY(%(ids)s::bigint[]) AND source_id <> target_id
) AS e
ORDER BY e.weight DESC, e.source_id, e.target_id
LIMIT %(limit)s::integer;
