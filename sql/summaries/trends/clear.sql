-- Deletes what is trending. The caller lists it anew in the same transaction. Locks: the caller holds the summaries'
-- lock. Rows: none.
DELETE FROM trending_users;
