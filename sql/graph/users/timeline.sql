-- Which database this is, and on which of its timelines: a fail-over or a restore to an instant begins another, and
-- users that were seen before may be missing there. One row.
SELECT
  (SELECT system_identifier FROM pg_control_system())
  || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline;
