-- The newest visible event of an upload, and the transactions that hold what writing an event locks: one of these may
-- still commit an event with a lower number. Locks: none. Rows: one.
SELECT
  coalesce((SELECT max(e.id) FROM ledger_events AS e WHERE e.upload_id = %(upload_id)s::uuid), 0)::bigint AS newest,
  array(
    SELECT l.virtualtransaction FROM pg_locks AS l
    WHERE
      l.locktype = 'relation' AND l.relation = 'ledger_events'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  ) AS writers;
