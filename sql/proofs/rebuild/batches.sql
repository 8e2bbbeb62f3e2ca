-- The applied batches, by id. Locks: none. Rows: one for each batch.
SELECT id, upload_id, size_bytes, payload IS NULL AS purged FROM batches WHERE state = 'applied' ORDER BY id;
