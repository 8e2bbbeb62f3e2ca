-- Drops the payload of a counted batch, which nobody can rewrite so that it counts the same for everybody else. Locks:
-- the caller has locked the batch's row. Rows: none.
UPDATE batches SET payload = NULL, erased_at = %(now)s::timestamptz WHERE id = %(batch_id)s::bigint;
