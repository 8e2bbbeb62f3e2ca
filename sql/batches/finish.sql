-- counted -> applied for those with no delta left. The rows are locked.
UPDATE batches AS b
SET state = 'applied', applied_at = %(now)s::timestamptz
WHERE
  b.id = ANY(%(ids)s::bigint[])
  AND b.state = 'counted'
  AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id)
RETURNING b.upload_id;
