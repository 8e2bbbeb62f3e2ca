-- The batches of uploads that came to nothing (their deltas and rejects go with them).
DELETE FROM batches WHERE upload_id = ANY(%(upload_ids)s::uuid[]);
