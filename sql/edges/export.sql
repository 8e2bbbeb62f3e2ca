-- The whole graph as CSV, sent as it is read; needs client-side binding, since COPY takes no parameters. No locks.
COPY (
  SELECT
    s.spelling AS source, t.spelling AS target, e.mention_count,
    effective_weight(e.weight, e.weighed_at, %(now)s::timestamptz, %(half_life_seconds)s::double precision) AS weight,
    to_char(e.first_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS first_seen,
    to_char(e.last_seen AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_seen
  FROM edges AS e
  INNER JOIN users AS s ON s.id = e.source_id
  INNER JOIN users AS t ON t.id = e.target_id
  WHERE %(self_mentions)s::boolean OR e.source_id <> e.target_id
) TO STDOUT (FORMAT csv, HEADER);
