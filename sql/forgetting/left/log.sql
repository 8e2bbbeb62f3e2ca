-- Up to where the write-ahead log was written by now, whether it is archived, and how many replication slots read it.
-- Locks: none. Rows: one.
SELECT
  pg_current_wal_insert_lsn()::text AS until,
  current_setting('archive_mode') <> 'off' AS archived,
  (SELECT count(*) FROM pg_replication_slots)::integer AS slots;
