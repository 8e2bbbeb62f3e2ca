-- Gives an attempt back to a batch, since the database failed while the batch was worked on and could not write that
-- down. Another worker may have claimed the batch meanwhile: then only the number of attempts changes. Locks: the
-- caller has locked the batch's row. Rows: none.
UPDATE batches
SET
  attempts = greatest(attempts - 1, 0),
  claim = CASE WHEN claim = %(token)s::uuid THEN NULL ELSE claim END,
  claimed_until = CASE WHEN claim = %(token)s::uuid THEN NULL ELSE claimed_until END
WHERE id = %(batch_id)s::bigint AND state = 'staged';
