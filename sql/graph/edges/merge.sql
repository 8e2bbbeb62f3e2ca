-- Adds to those of these edges that the graph holds, and tells which they are, by position from 0; the caller copies in
-- the others (graph/edges/copy). The given rows are unique by (source_id, target_id) and sorted by it. Weights meet at
-- the later of the two instants (see effective_weight); a weight that is 830 half-lives older adds nothing there.
-- `heavy` are those that may be among the heaviest: above `light`, or weighed after `latest`. The rows are compared as
-- wholes, which only the primary key can be searched by. Locks: the caller holds the shard's lock, so no other
-- transaction writes these rows. Rows: one.
WITH merged AS (
  UPDATE edges AS e SET
    mention_count = e.mention_count + d.mention_count,
    weight = effective_weight(
      e.weight, e.weighed_at, greatest(e.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
    ) + effective_weight(
      d.weight, d.weighed_at, greatest(e.weighed_at, d.weighed_at), %(half_life_seconds)s::double precision
    ),
    weighed_at = greatest(e.weighed_at, d.weighed_at),
    first_seen = least(e.first_seen, d.first_seen),
    last_seen = greatest(e.last_seen, d.last_seen)
  FROM (
    SELECT
      generate_subscripts(%(source_ids)s::bigint[], 1) - 1 AS position,
      unnest(%(source_ids)s::bigint[]) AS source_id, unnest(%(target_ids)s::bigint[]) AS target_id,
      unnest(%(mention_counts)s::bigint[]) AS mention_count, unnest(%(weights)s::double precision[]) AS weight,
      unnest(%(weighed_at)s::timestamptz[]) AS weighed_at, unnest(%(first_seen)s::timestamptz[]) AS first_seen,
      unnest(%(last_seen)s::timestamptz[]) AS last_seen
    OFFSET 0 -- noqa: PRS
  ) AS d
  WHERE
    (e.source_id, e.target_id) >= (d.source_id, d.target_id)
    AND (e.source_id, e.target_id) <= (d.source_id, d.target_id)
  RETURNING
    d.position, e.weight, e.weighed_at,
    e.weight > %(light)s::double precision OR e.weighed_at > %(latest)s::timestamptz AS heavy
)

SELECT
  coalesce(array_agg(position), '{}') AS merged,
  coalesce(array_agg(position) FILTER (WHERE heavy), '{}') AS heavy,
  coalesce(array_agg(weight) FILTER (WHERE heavy), '{}') AS weights,
  coalesce(
    array_agg((date_part('epoch', weighed_at - timestamptz '1970-01-01 00:00:00+00') * 1e6)::bigint)
    FILTER (WHERE heavy), '{}'
  ) AS weighed_at
FROM merged;
