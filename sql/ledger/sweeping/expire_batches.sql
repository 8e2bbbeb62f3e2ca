-- staged -> failed for batches whose attempts are used up and whose last worker never came back. A poison batch kills
-- its worker, so attempts are counted by claims and not by errors. Locks: the batches' rows. Rows: one for each batch.
UPDATE batches
SET state = 'failed', claim = NULL, claimed_until = NULL, error = coalesce(error, %(error)s::jsonb)
WHERE
  state = 'staged' AND attempts >= %(max_attempts)s::integer
  AND (claimed_until IS NULL OR claimed_until <= %(now)s::timestamptz)
RETURNING id, upload_id;
