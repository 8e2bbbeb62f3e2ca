-- Replaces an event's reason. Locks: the event's row. Rows: none.
UPDATE ledger_events SET reason = %(reason)s::jsonb WHERE id = %(id)s::bigint;
