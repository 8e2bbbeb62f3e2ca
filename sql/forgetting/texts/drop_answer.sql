-- Deletes an idempotency key that holds a person's handle itself. The same bytes are applied once all the same. Locks:
-- the key's row. Rows: none.
DELETE FROM idempotency_keys WHERE key = %(key)s::text;
