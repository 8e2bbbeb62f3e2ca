-- A graph that is about to be changed. Locks: the row. Rows: one, or none.
SELECT
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at
FROM graphs
WHERE name = %(name)s::text
FOR NO KEY UPDATE;
