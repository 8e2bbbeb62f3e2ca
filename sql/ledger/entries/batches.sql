-- A page of an upload's batches in file order, after an ordinal. Locks: none. Rows: one for each batch, `limit` at
-- most.
SELECT
  id, ordinal, state, first_line, size_bytes, attempts,
  CASE WHEN state = 'staged' THEN next_attempt_at END AS next_attempt_at,
  claimed_until, profile, profile_version,
  coalesce(rows_received, rows_staged) AS rows_received, rows_accepted, rows_rejected, rows_repeated,
  mentions, edges,
  error, staged_at, counted_at, applied_at, coalesce(warnings, '{}') AS warnings,
  coalesce(rejects_kept, rows_rejected) AS rejects_kept,
  CASE WHEN rows_rejected = 0 THEN '{}' ELSE reject_codes END AS rejects_by_code
FROM batches
WHERE upload_id = %(upload_id)s::uuid AND ordinal > %(after)s::integer
ORDER BY ordinal
LIMIT %(limit)s::integer;
