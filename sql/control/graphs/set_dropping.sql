-- Nobody uses a graph any more that is to be dropped. Locks: the row. Rows: one; none where no graph has the name.
UPDATE graphs SET state = 'dropping'
WHERE name = %(name)s::text
RETURNING
  name, state, database, database_url, half_life, shards, profile, days_kept, retention_days, quota_bytes, created_at;
