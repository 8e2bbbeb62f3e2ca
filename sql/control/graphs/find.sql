-- A graph by its name. Locks: none. Rows: one, or none.
SELECT
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at
FROM graphs
WHERE name = %(name)s::text;
