-- The applied batches, by id. No locks.
SELECT id, upload_id, size_bytes, payload IS NULL AS purged FROM batches WHERE state = 'applied' ORDER BY id;
