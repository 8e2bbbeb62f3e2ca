-- Releases new parts of deltas to be merged. Those of an upload whose limit of rejects is not decided yet stay held,
-- like its other deltas: the decision releases all of them, so an upload with a released delta is decided. Locks: the
-- caller has locked the batches' rows, which the decision locks, too. Rows: one for each delta.
UPDATE deltas AS d
SET held = false
FROM unnest(%(batch_ids)s::bigint[], %(parts)s::integer[]) AS k (batch_id, part)
INNER JOIN batches AS b ON b.id = k.batch_id
INNER JOIN uploads AS u ON u.id = b.upload_id
WHERE
  d.batch_id = k.batch_id AND d.part = k.part
  AND (
    b.state = 'applied'
    OR u.options ->> 'max_rejects' IS NULL
    OR EXISTS (
      SELECT FROM deltas AS released
      INNER JOIN batches AS sibling ON sibling.id = released.batch_id
      WHERE sibling.upload_id = b.upload_id AND NOT released.held
    )
  )
RETURNING d.shard;
