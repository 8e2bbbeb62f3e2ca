-- The batches of an upload. Locks: none. Rows: one for each batch.
SELECT id FROM batches WHERE upload_id = %(upload_id)s::uuid ORDER BY id;
