-- The number of selected edges. Binds on the client, so that PostgreSQL does not plan what is not asked for. Locks:
-- none. Rows: one.
SELECT count(*)
FROM selected_edges(
  %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
  %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
  %(depth)s::integer, %(touching)s::boolean, %(until)s::timestamptz, %(archived_after)s::timestamptz,
  %(weighty_after)s::timestamptz
);
