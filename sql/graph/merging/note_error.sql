-- What keeps a counted batch from being applied, for the operator. Its state stays.
UPDATE batches SET error = %(error)s::jsonb WHERE id = %(batch_id)s::bigint;
