-- How much of the log each standby has not replayed. A role without pg_monitor is told of no position: then there is
-- no row. Locks: none. Rows: one for each standby.
SELECT
  r.application_name AS standby,
  max(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn))::double precision AS lag_bytes
FROM pg_stat_replication AS r
WHERE r.replay_lsn IS NOT NULL AND r.state <> 'backup'
GROUP BY r.application_name
ORDER BY r.application_name
LIMIT 20;
