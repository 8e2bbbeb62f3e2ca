-- Once no batch is left to do: applying -> applied, or failed where a batch failed for good; checking -> checked or
-- failed; cancelling -> cancelled; retracting -> retracted. A batch whose delta is held waits for the others, so a
-- failed batch among them ends the upload, until the batch is replayed. Locks: the caller has locked the uploads' rows.
-- Rows: one for each upload.
UPDATE uploads AS u
SET
  state = CASE
    WHEN u.state = 'cancelling' THEN 'cancelled'
    WHEN u.state = 'retracting' THEN 'retracted'
    WHEN EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'failed') THEN 'failed'
    WHEN (u.options ->> 'dry_run')::boolean THEN 'checked'
    ELSE 'applied'
  END,
  finished_at = %(now)s::timestamptz
WHERE
  u.id = ANY(%(ids)s::uuid[])
  AND u.state IN ('staged', 'applying', 'checking', 'cancelling', 'retracting')
  AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state IN ('staged', 'retracting'))
  AND (
    NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'counted')
    OR (
      u.options ->> 'max_rejects' IS NOT NULL
      AND EXISTS (SELECT FROM batches AS b WHERE b.upload_id = u.id AND b.state = 'failed')
    )
  )
RETURNING u.id, u.state;
