-- Takes a due batch: one attempt is used up, and only the holder of the token may finish the batch. Locks: the batch's
-- row. Rows: one; zero where the batch is not due, is done, or is claimed by another.
UPDATE batches AS b
SET claim = %(token)s::uuid, claimed_until = %(claimed_until)s::timestamptz, attempts = b.attempts + 1
FROM uploads AS u
WHERE
  b.id = %(batch_id)s::bigint
  AND u.id = b.upload_id
  AND u.state IN ('staged', 'applying', 'checking')
  AND b.state = 'staged'
  AND b.payload IS NOT NULL
  AND b.attempts < %(max_attempts)s::integer
  AND b.next_attempt_at <= %(now)s::timestamptz
  AND (b.claimed_until IS NULL OR b.claimed_until <= %(now)s::timestamptz)
RETURNING
  b.id AS batch_id, b.upload_id, b.claim AS token, b.attempts, b.first_line, b.rows_staged,
  b.payload, u.options, u.format,
  u.received_at, u.state = 'staged' AS first, u.parent_id, u.traceparent;
