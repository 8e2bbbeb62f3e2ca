-- applying -> applied, or failed where a batch failed for good, once no batch is left to do. The rows are locked.
UPDATE uploads AS u
SET
  state = CASE
    WHEN EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'failed') THEN 'failed'
    ELSE 'applied'
  END,
  finished_at = %(now)s::timestamptz
WHERE
  u.id = ANY(%(ids)s::uuid[])
  AND u.state IN ('staged', 'applying')
  AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state IN ('staged', 'counted'))
RETURNING u.id, u.state;
