-- The selected edges by the ids of the users at their ends. Apart from `edges`, since this statement needs no join with
-- users; otherwise as `edges`. Locks: none. Rows: one for each edge.
COPY (
  SELECT
    e.mention_count, e.weight,
    to_json(e.first_seen AT TIME ZONE 'UTC'), to_json(e.last_seen AT TIME ZONE 'UTC'),
    coalesce(to_json(e.archived_at AT TIME ZONE 'UTC')::text, ''),
    e.source_id, e.target_id
  FROM selected_edges(
    %(as_of)s::timestamptz, %(half_life_seconds)s::double precision, %(archived)s::boolean,
    %(self_mentions)s::boolean, %(min_weight)s::double precision, %(since)s::timestamptz, %(around)s::bigint[],
    %(depth)s::integer, %(touching)s::boolean
  ) AS e
) TO STDOUT;
