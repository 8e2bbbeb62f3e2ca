-- Gives a graph a database on this server that is still to be made, in place of the one it had. Locks: the row. Rows:
-- one; none where no graph has the name, or it is being dropped.
UPDATE graphs SET state = 'creating', database = %(database)s::text, database_url = NULL
WHERE name = %(name)s::text AND state IN ('creating', 'ready')
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
