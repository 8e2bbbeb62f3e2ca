-- counted -> applied, retracting -> retracted, for batches with no delta pending. Locks: the caller has locked the
-- batches' rows. Rows: one for each batch.
UPDATE batches AS b
SET
  state = CASE b.state WHEN 'counted' THEN 'applied' ELSE 'retracted' END,
  applied_at = coalesce(b.applied_at, %(now)s::timestamptz)
WHERE
  b.id = ANY(%(ids)s::bigint[])
  AND b.state IN ('counted', 'retracting')
  AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NULL)
RETURNING b.upload_id;
