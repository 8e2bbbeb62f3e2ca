-- Row locks on an upload's batches, in the order of id: a statement of its own, before what is decided about them.
SELECT id FROM batches WHERE upload_id = %(upload_id)s::uuid ORDER BY id FOR NO KEY UPDATE;
