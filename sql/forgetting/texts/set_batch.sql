-- Replaces a batch's warnings and error. Locks: the batch's row. Rows: none.
UPDATE batches SET warnings = %(warnings)s::jsonb, error = %(error)s::jsonb WHERE id = %(id)s::bigint;
