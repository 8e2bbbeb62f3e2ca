-- Whether there is an event with this id. Locks: none. Rows: one.
SELECT EXISTS(SELECT FROM audit_events WHERE id = %(id)s::bigint) AS found;
