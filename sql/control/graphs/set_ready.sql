-- A graph whose database is made and migrated may be used. Half-life and shards are what its database says. Locks: the
-- row. Rows: one; none where the graph is not being created.
UPDATE graphs SET state = 'ready', half_life = %(half_life)s::interval, shards = %(shards)s::smallint
WHERE name = %(name)s::text AND state = 'creating'
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
