-- Every graph that is listed, by name. `default` is not listed. Locks: none. Rows: one a graph.
SELECT
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at
FROM graphs
ORDER BY name;
