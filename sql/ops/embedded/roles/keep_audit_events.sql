-- Keeps the role from changing or deleting events of the audit, but for those that `forget_audit_events` may delete.
-- Locks: none. Rows: none.
REVOKE UPDATE, DELETE ON audit_events FROM mentiongraph;
