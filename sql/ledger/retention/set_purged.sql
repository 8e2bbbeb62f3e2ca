-- Says that nothing is left of the upload's payloads and merged deltas. Locks: the caller has locked the upload's row.
-- Rows: none.
UPDATE uploads SET purged_at = %(now)s::timestamptz WHERE id = %(upload_id)s::uuid AND purged_at IS NULL;
