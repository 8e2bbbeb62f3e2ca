-- The number of users at the ends of the selected edges. Binds on the client, as count_edges does. Locks: none. Rows:
-- one.
SELECT count(*)
FROM (
  SELECT DISTINCT ends.id
  FROM selected_edges(
    %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
    %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
    %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
    %(weighty_after)s::timestamptz
  ) AS e
  CROSS JOIN LATERAL (VALUES (e.source_id), (e.target_id)) AS ends (id)
) AS ids;
