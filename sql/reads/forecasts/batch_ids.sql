-- The batches of uploads. Locks: none. Rows: one for each batch.
SELECT b.id FROM batches AS b WHERE b.upload_id = ANY(%(upload_ids)s::uuid[]) ORDER BY b.id;
