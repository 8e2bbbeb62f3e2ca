-- Lists a graph whose database is still to be made. Locks: the new row. Rows: one; none where the name, the database or
-- the address is taken.
INSERT INTO graphs (
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at
) VALUES (
  %(name)s::text, 'creating', %(database)s::text, %(database_url)s::text, %(half_life)s::interval,
  %(shards)s::smallint, %(profile)s::text, %(days_kept)s::integer, %(retention_days)s::integer,
  %(quota_bytes)s::bigint, %(created_at)s::timestamptz
)
ON CONFLICT DO NOTHING
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
