-- The selected edges with the handles at their ends, in the order of the handles' bytes, whatever the database's
-- collation. Binds on the client, since COPY takes no parameters. Locks: none. Rows: one for each edge.
COPY (
  SELECT e.mention_count, least(e.weight, e.mention_count), s.handle AS source, t.handle AS target
  FROM selected_edges(
    %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
    %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
    %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
    %(weighty_after)s::timestamptz
  ) AS e
  INNER JOIN users AS s ON s.id = e.source_id
  INNER JOIN users AS t ON t.id = e.target_id
  ORDER BY s.handle COLLATE "C", t.handle COLLATE "C"
) TO STDOUT;
