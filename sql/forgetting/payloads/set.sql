-- Replaces a batch's payload. Whoever counts the batch at this moment loses the claim, and the attempt does not count.
-- Locks: the caller has locked the batch's row. Rows: none.
UPDATE batches
SET
  payload = %(payload)s::bytea, claim = NULL, claimed_until = NULL,
  attempts = CASE WHEN claim IS NULL THEN attempts ELSE greatest(attempts - 1, 0) END
WHERE id = %(batch_id)s::bigint;
