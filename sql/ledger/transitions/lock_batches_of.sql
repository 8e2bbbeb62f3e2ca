-- Locks an upload's batches. A statement of its own, before what is decided about them. Locks: the batches' rows, in
-- the order of id. Rows: one for each batch.
SELECT id FROM batches WHERE upload_id = %(upload_id)s::uuid ORDER BY id FOR NO KEY UPDATE;
