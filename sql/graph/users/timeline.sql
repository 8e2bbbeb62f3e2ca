-- Which database this is, and which of its timelines. A fail-over or a restore to an instant begins another timeline,
-- and users that were seen before may be missing there. Locks: none. Rows: one.
SELECT
  (SELECT system_identifier FROM pg_control_system())
  || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline;
