-- Replaces the texts of an audit event. Locks: the event's row. Rows: none.
UPDATE audit_events SET subject = %(subject)s::text, detail = %(detail)s::jsonb WHERE id = %(id)s::bigint;
