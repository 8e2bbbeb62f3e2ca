-- The batches of an upload that may own posts. Locks: the caller has the lock of post ids. Rows: one for each batch.
SELECT id FROM batches WHERE upload_id = %(upload_id)s::uuid AND ids_owned > 0 ORDER BY id;
