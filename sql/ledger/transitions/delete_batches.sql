-- Deletes the batches of uploads that came to nothing; their deltas and rejects go with them. Locks: the batches' rows.
-- Rows: none.
DELETE FROM batches WHERE upload_id = ANY(%(upload_ids)s::uuid[]);
