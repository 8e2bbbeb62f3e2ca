-- Records who did or was denied what, in the caller's transaction. Locks: none but its own row. Rows: none.
INSERT INTO audit_events (action, subject, outcome, key_id, owner, address, detail)
VALUES (
  %(action)s::text, %(subject)s::text, %(outcome)s::text, %(key_id)s::text, %(owner)s::text, %(address)s::text,
  %(detail)s::jsonb
);
