-- The users at the ends of the selected edges, in the order of their handles' bytes: what they received, and their
-- ranks by that, from 1 on. Users who received equally much have one rank. Binds on the client, as `ties` does. Locks:
-- none. Rows: one for each user.
COPY (
  SELECT
    sums.received, sums.weight, rank() OVER (ORDER BY sums.received DESC), rank() OVER (ORDER BY sums.weight DESC),
    u.handle
  FROM (
    SELECT ends.id, sum(ends.received)::bigint AS received, sum(ends.weight ORDER BY ends.other) AS weight
    FROM selected_edges(
      %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
      %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
      %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
      %(weighty_after)s::timestamptz
    ) AS e
    CROSS JOIN LATERAL (
      VALUES
      (e.source_id, e.target_id, 0, 0),
      (e.target_id, e.source_id, e.mention_count, least(e.weight, e.mention_count))
    ) AS ends (id, other, received, weight)
    GROUP BY ends.id
  ) AS sums
  INNER JOIN users AS u ON u.id = sums.id
  ORDER BY u.handle COLLATE "C"
) TO STDOUT;
