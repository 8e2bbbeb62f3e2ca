-- Nothing is left of the upload's payloads and merged deltas. Its row is locked.
UPDATE uploads SET purged_at = %(now)s::timestamptz WHERE id = %(upload_id)s::uuid AND purged_at IS NULL;
