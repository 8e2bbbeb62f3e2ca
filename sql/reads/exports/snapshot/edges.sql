-- The selected edges with the handles at their ends, sent as PostgreSQL reads them. Binds on the client, since COPY
-- takes no parameters. What to_json gives for an instant depends on no setting, and costs half of what to_char does.
-- Text may hold anything but a tab or a line end: COPY escapes these. Locks: none. Rows: one for each edge.
COPY (
  SELECT
    e.mention_count, least(e.weight, e.mention_count),
    to_json(e.first_seen AT TIME ZONE 'UTC'), to_json(e.last_seen AT TIME ZONE 'UTC'),
    coalesce(to_json(e.archived_at AT TIME ZONE 'UTC')::text, ''),
    CASE WHEN %(spelled)s::boolean THEN s.spelling ELSE s.handle END,
    CASE WHEN %(spelled)s::boolean THEN t.spelling ELSE t.handle END
  FROM selected_edges(
    %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
    %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
    %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
    %(weighty_after)s::timestamptz
  ) AS e
  INNER JOIN users AS s ON s.id = e.source_id
  INNER JOIN users AS t ON t.id = e.target_id
) TO STDOUT;
