-- failed -> staged with fresh attempts, due at once. Those whose payload was purged stay as they are.
UPDATE batches
SET state = 'staged', attempts = 0, next_attempt_at = %(now)s::timestamptz, rung_at = NULL, error = NULL
WHERE id = ANY(%(ids)s::bigint[]) AND state = 'failed' AND payload IS NOT NULL
RETURNING id, upload_id;
