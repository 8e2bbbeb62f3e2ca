-- An attempt failed: the batch backs off, or staged -> failed once the attempts are used up. An attempt that failed
-- through no fault of the batch is given back. Locks: the batch's row. Rows: one; zero where another claim superseded
-- this one.
UPDATE batches
SET
  state = CASE
    WHEN %(its_own_fault)s::boolean AND attempts >= %(max_attempts)s::integer THEN 'failed'
    ELSE 'staged'
  END,
  attempts = CASE WHEN %(its_own_fault)s::boolean THEN attempts ELSE greatest(attempts - 1, 0) END,
  claim = NULL, claimed_until = NULL, error = %(error)s::jsonb,
  next_attempt_at = %(now)s::timestamptz + make_interval(
    secs => least(
      %(backoff_limit)s::double precision,
      %(backoff_seconds)s::double precision * power(2, least(attempts, 30) - 1)
    )
  )
WHERE id = %(batch_id)s::bigint AND state = 'staged' AND claim = %(claim)s::uuid
RETURNING state, upload_id;
