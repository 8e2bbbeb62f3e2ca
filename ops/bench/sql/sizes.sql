-- Bytes on disk. One row.
SELECT
  pg_total_relation_size('edges') AS edges, pg_relation_size('edges') AS table,
  pg_relation_size('edges_pkey') AS primary_key, pg_relation_size('edges_target') AS by_target,
  pg_total_relation_size('users') AS users,
  (pg_total_relation_size('batches') + pg_total_relation_size('deltas'))::bigint AS ledger,
  pg_database_size(current_database()) AS database,
  (SELECT sum(size) FROM pg_ls_waldir())::bigint AS wal;
