-- staged -> failed for a batch whose payload is dropped before anybody has counted it; a failed batch stays failed. The
-- error says why it cannot be replayed. Locks: the caller has locked the batch's row. Rows: none.
UPDATE batches
SET
  state = 'failed', payload = NULL, erased_at = %(now)s::timestamptz, claim = NULL, claimed_until = NULL,
  error = %(error)s::jsonb
WHERE id = %(batch_id)s::bigint AND state IN ('staged', 'failed');
