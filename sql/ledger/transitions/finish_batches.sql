-- counted -> applied, retracting -> retracted, for those with no delta pending. The rows are locked.
UPDATE batches AS b
SET
  state = CASE b.state WHEN 'counted' THEN 'applied' ELSE 'retracted' END,
  applied_at = coalesce(b.applied_at, %(now)s::timestamptz)
WHERE
  b.id = ANY(%(ids)s::bigint[])
  AND b.state IN ('counted', 'retracting')
  AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NULL)
RETURNING b.upload_id;
