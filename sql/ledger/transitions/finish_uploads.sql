-- Once no batch is left to do: applying -> applied, or failed where a batch failed for good; checking -> checked or
-- failed; cancelling -> cancelled; retracting -> retracted. A batch whose delta is held waits for the others, so a
-- failed batch among them ends the upload, until the batch is replayed. An upload whose every row was rejected stays as
-- it is: the caller fails it, with the reason. Locks: the caller has locked the uploads' rows. Rows: one for each
-- upload without work left.
WITH finished AS (
  SELECT
    d.id,
    CASE
      WHEN d.state = 'cancelling' THEN 'cancelled'
      WHEN d.state = 'retracting' THEN 'retracted'
      WHEN EXISTS (SELECT FROM batches AS b WHERE b.upload_id = d.id AND b.state = 'failed') THEN 'failed'
      WHEN NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = d.id AND b.rows_accepted > 0) THEN 'rejected'
      WHEN (d.options ->> 'dry_run')::boolean THEN 'checked'
      ELSE 'applied'
    END AS outcome
  FROM uploads AS d
  WHERE
    d.id = ANY(%(ids)s::uuid[])
    AND d.state IN ('staged', 'applying', 'checking', 'cancelling', 'retracting')
    AND NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = d.id AND b.state IN ('staged', 'retracting'))
    AND (
      NOT EXISTS (SELECT FROM batches AS b WHERE b.upload_id = d.id AND b.state = 'counted')
      OR (
        d.options ->> 'max_rejects' IS NOT NULL
        AND EXISTS (SELECT FROM batches AS b WHERE b.upload_id = d.id AND b.state = 'failed')
      )
    )
)

UPDATE uploads AS u
SET
  state = CASE f.outcome WHEN 'rejected' THEN u.state ELSE f.outcome END,
  finished_at = CASE f.outcome WHEN 'rejected' THEN u.finished_at ELSE %(now)s::timestamptz END
FROM finished AS f
WHERE u.id = f.id
RETURNING
  u.id, f.outcome, u.traceparent, date_part('epoch', %(now)s::timestamptz - u.received_at) AS seconds;
