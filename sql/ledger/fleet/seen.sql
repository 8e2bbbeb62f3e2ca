-- Every process that has left a heartbeat, with the heartbeat's age. Locks: none. Rows: one for each process.
SELECT
  role, host, pid, born, started_at, seen_at,
  date_part('epoch', now() - seen_at) AS silent, date_part('epoch', now() - acted_at) AS idle
FROM processes
ORDER BY role, host, started_at, pid;
