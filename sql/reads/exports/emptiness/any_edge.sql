-- Whether a selection has an edge: asked where an export has none, with less and less that is left out. Binds on the
-- client, so that PostgreSQL does not plan what is not asked for. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM selected_edges(
    %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
    %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
    %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
    %(weighty_after)s::timestamptz
  )
) AS found;
