-- Which database this is, and on which of its timelines: a fail-over or a restore to an instant begins another, in which
-- users that were seen before may be missing. One row.
SELECT
  (SELECT system_identifier FROM pg_control_system())
  || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline;
