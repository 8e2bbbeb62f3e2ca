-- Frees the idempotency keys of uploads that are forgotten. Locks: the caller has locked the uploads. Rows: none.
DELETE FROM idempotency_keys WHERE upload_id = ANY(%(ids)s::uuid[]);
