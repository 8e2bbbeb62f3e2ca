-- failed -> staged with fresh attempts, due at once. Batches whose payload was purged stay as they are. Locks: the
-- batches' rows. Rows: one for each batch.
UPDATE batches
SET state = 'staged', attempts = 0, next_attempt_at = %(now)s::timestamptz, rung_at = NULL, error = NULL
WHERE id = ANY(%(ids)s::bigint[]) AND state = 'failed' AND payload IS NOT NULL
RETURNING id, upload_id;
