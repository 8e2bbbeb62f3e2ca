-- A page of an upload's events in order: those after one event, up to another. Locks: none. Rows: one for each event.
SELECT id, at, batch_id, from_state, to_state, process, reason, key_id, owner, address
FROM ledger_events
WHERE upload_id = %(upload_id)s::uuid AND id > %(after)s::bigint AND id <= %(newest)s::bigint
ORDER BY id
LIMIT %(limit)s::integer;
