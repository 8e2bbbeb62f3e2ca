-- Replaces what a reject holds. Locks: the reject's row. Rows: none.
UPDATE rejects
SET
  column_name = %(column_name)s::text, message = %(message)s::text, raw = %(raw)s::bytea, value = %(value)s::bytea
WHERE upload_id = %(upload_id)s::uuid AND line = %(line)s::bigint;
