-- Due batches to ring, urgent ones first, then the oldest: of a sealed upload, unclaimed or with an expired claim, with
-- the back-off over, and not rung since `rung_before`. Locks: the batches' rows; skips locked rows, since another
-- process works on those. Rows: one for each batch.
UPDATE batches AS b
SET rung_at = %(now)s::timestamptz
FROM (
  SELECT due.id, coalesce(u.options ->> 'priority', 'bulk') AS priority
  FROM batches AS due
  INNER JOIN uploads AS u ON u.id = due.upload_id
  WHERE
    due.state = 'staged'
    AND u.state IN ('staged', 'applying', 'checking')
    AND due.next_attempt_at <= %(now)s::timestamptz
    AND (due.claimed_until IS NULL OR due.claimed_until <= %(now)s::timestamptz)
    AND (due.rung_at IS NULL OR due.rung_at < %(rung_before)s::timestamptz OR due.rung_at < due.next_attempt_at)
  ORDER BY (u.options ->> 'priority') = 'urgent' DESC NULLS LAST, due.id
  LIMIT %(limit)s::integer
  FOR UPDATE OF due SKIP LOCKED
) AS due
WHERE b.id = due.id
RETURNING b.id, due.priority;
