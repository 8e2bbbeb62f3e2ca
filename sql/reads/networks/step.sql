-- One step of a search for a path: whom some users mention (`outgoing`), or who mentions them, each with one of the
-- users the step came from, among the first `most` edges. `edges` is the number of edges that were read. `outgoing` is
-- a constant where PostgreSQL plans (statements are not prepared, see app/store/postgres.py), so one column alone is
-- left in each condition, and its index serves it. Locks: none. Rows: one.
SELECT
  coalesce(array_agg(reached.id), '{}') AS ids, coalesce(array_agg(reached.via), '{}') AS vias,
  coalesce(sum(reached.edges), 0)::bigint AS edges
FROM (
  SELECT
    CASE WHEN %(outgoing)s::boolean THEN e.target_id ELSE e.source_id END AS id,
    min(CASE WHEN %(outgoing)s::boolean THEN e.source_id ELSE e.target_id END) AS via,
    count(*) AS edges
  FROM (
    SELECT source_id, target_id FROM edges
    WHERE CASE WHEN %(outgoing)s::boolean THEN source_id ELSE target_id END = ANY(%(ids)s::bigint[])
    UNION ALL
    SELECT source_id, target_id FROM edges_archive
    WHERE
      %(archived)s::boolean AND archived_at > %(archived_after)s::timestamptz
      AND CASE WHEN %(outgoing)s::boolean THEN source_id ELSE target_id END = ANY(%(ids)s::bigint[])
    LIMIT %(most)s::bigint
  ) AS e
  GROUP BY 1
) AS reached;
