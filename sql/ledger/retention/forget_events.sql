-- Deletes the events of uploads that are forgotten. Locks: the caller has locked the uploads. Rows: none.
DELETE FROM ledger_events WHERE upload_id = ANY(%(ids)s::uuid[]);
