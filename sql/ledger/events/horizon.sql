-- The newest event of an upload that is visible, and the transactions that hold what writing an event locks: one of
-- them may yet commit an event with a lower number. No locks. One row.
SELECT
  coalesce((SELECT max(e.id) FROM ledger_events AS e WHERE e.upload_id = %(upload_id)s::uuid), 0)::bigint AS newest,
  array(
    SELECT l.virtualtransaction FROM pg_locks AS l
    WHERE
      l.locktype = 'relation' AND l.relation = 'ledger_events'::regclass AND l.mode = 'RowExclusiveLock' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  ) AS writers;
