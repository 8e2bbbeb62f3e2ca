-- Changes what may be changed of a graph. Locks: the row. Rows: one; none where the graph is not ready.
UPDATE graphs SET
  profile = %(profile)s::text,
  days_kept = %(days_kept)s::integer,
  retention_days = %(retention_days)s::integer,
  quota_bytes = %(quota_bytes)s::bigint
WHERE name = %(name)s::text AND state = 'ready'
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
