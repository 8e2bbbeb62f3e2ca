-- What the server says of its log, its checkpoints and its archive since its statistics began. Locks: none. Rows: one.
SELECT
  current_setting('max_connections')::integer AS max_connections,
  (SELECT w.wal_bytes FROM pg_stat_wal AS w)::double precision AS wal_bytes,
  c.num_timed AS checkpoints_timed, c.num_requested AS checkpoints_requested,
  a.archived_count AS archived, a.failed_count AS archive_failures
FROM pg_stat_checkpointer AS c CROSS JOIN pg_stat_archiver AS a;
