-- Which database this is, which of its timelines, and the number of the latest erasure. A database that was dropped
-- and made again has its old name and another oid. A fail-over or a restore to an instant begins another timeline,
-- and users that were seen before may be missing there. After an erasure a handle may have another id. Locks: none.
-- Rows: one.
SELECT
  (SELECT system_identifier FROM pg_control_system())
  || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
  || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
  || '/' || coalesce((SELECT max(id) FROM erasures), 0) AS timeline;
