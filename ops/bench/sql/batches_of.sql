-- An upload's batches, in their order.
SELECT id FROM batches WHERE upload_id = %(id)s::uuid ORDER BY ordinal;
