-- Once every member is finished: applying -> applied, or failed where a member failed, or cancelled where all members
-- were cancelled or retracted; checking -> checked or failed; cancelling -> cancelled; retracting -> retracted. Locks:
-- the caller has locked the zips' rows. Rows: one for each zip.
UPDATE uploads AS p
SET
  state = CASE
    WHEN p.state = 'cancelling' THEN 'cancelled'
    WHEN p.state = 'retracting' THEN 'retracted'
    WHEN EXISTS (SELECT FROM uploads AS m WHERE m.parent_id = p.id AND m.state = 'failed') THEN 'failed'
    WHEN (p.options ->> 'dry_run')::boolean THEN 'checked'
    WHEN EXISTS (SELECT FROM uploads AS m WHERE m.parent_id = p.id AND m.state IN ('applied', 'duplicate'))
      THEN 'applied'
    ELSE 'cancelled'
  END,
  finished_at = %(now)s::timestamptz
WHERE
  p.id = ANY(%(ids)s::uuid[]) AND p.members IS NOT NULL
  AND p.state IN ('staged', 'applying', 'checking', 'cancelling', 'retracting')
  AND NOT EXISTS (SELECT FROM uploads AS m WHERE m.parent_id = p.id AND m.finished_at IS NULL)
RETURNING
  p.id, p.state AS outcome, p.traceparent, date_part('epoch', %(now)s::timestamptz - p.received_at) AS seconds;
