-- One step of a search: whom some users mention, each with one of those it was reached from,
-- among the first so many edges. `edges`: how many were read. No locks. One row.
SELECT
  coalesce(array_agg(reached.id), '{}') AS ids, coalesce(array_agg(reached.via), '{}') AS vias,
  coalesce(sum(reached.edges), 0)::bigint AS edges
FROM (
  SELECT e.target_id AS id, min(e.source_id) AS via, count(*) AS edges
  FROM (
    SELECT source_id, target_id FROM edges WHERE source_id = ANY(%(ids)s::bigint[])
    UNION ALL
    SELECT source_id, target_id FROM edges_archive
    WHERE %(archived)s::boolean AND source_id = ANY(%(ids)s::bigint[])
    LIMIT %(most)s::bigint
  ) AS e
  GROUP BY e.target_id
) AS reached;
