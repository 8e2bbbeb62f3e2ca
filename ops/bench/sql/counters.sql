-- What is counted up while uploads are applied. One row.
SELECT
  (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS wal,
  t.n_tup_ins AS inserted, t.n_tup_upd AS updated, t.n_tup_hot_upd AS hot,
  (SELECT coalesce(sum(a.autovacuum_count), 0)::bigint FROM pg_stat_user_tables AS a WHERE a.schemaname = 'public')
    AS autovacuums,
  (SELECT c.num_timed + c.num_requested FROM pg_stat_checkpointer AS c) AS checkpoints,
  io.heap_blks_read + io.idx_blks_read AS reads
FROM pg_stat_user_tables AS t
INNER JOIN pg_statio_user_tables AS io ON io.relid = t.relid
WHERE t.relid = 'public.edges'::regclass;
