-- The users at the ends of the selected edges, with the sums of these edges; otherwise as `edges`. A mention of oneself
-- is both made and received. Locks: none. Rows: one for each user.
COPY (
  SELECT sums.id, sums.made, sums.received, u.handle, u.spelling
  FROM (
    SELECT ends.id, sum(ends.made) AS made, sum(ends.received) AS received
    FROM selected_edges(
      %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
      %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
      %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
      %(weighty_after)s::timestamptz
    ) AS e
    CROSS JOIN LATERAL (VALUES (e.source_id, e.mention_count, 0), (e.target_id, 0, e.mention_count))
      AS ends (id, made, received)
    GROUP BY ends.id
  ) AS sums
  INNER JOIN users AS u ON u.id = sums.id
) TO STDOUT;
