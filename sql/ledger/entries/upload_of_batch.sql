-- The upload that a batch belongs to. No locks. At most one row.
SELECT upload_id FROM batches WHERE id = %(id)s::bigint;
