-- The upload that a batch belongs to. Locks: none. Rows: at most one.
SELECT upload_id FROM batches WHERE id = %(id)s::bigint;
