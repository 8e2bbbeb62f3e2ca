-- Writes down what keeps a counted batch from being applied, for the operator. The batch's state stays. Locks: the
-- batch's row. Rows: none.
UPDATE batches SET error = %(error)s::jsonb WHERE id = %(batch_id)s::bigint;
