-- Gives a graph another name; its database keeps its own. Locks: the row. Rows: one; none where the graph is not ready.
UPDATE graphs SET name = %(new)s::text
WHERE name = %(name)s::text AND state = 'ready'
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
