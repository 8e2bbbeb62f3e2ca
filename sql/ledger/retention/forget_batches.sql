-- Deletes the batches of uploads that are forgotten, with the rejects that are left. Locks: the caller has locked the
-- batches and the uploads. Rows: none.
DELETE FROM batches WHERE upload_id = ANY(%(ids)s::uuid[]);
