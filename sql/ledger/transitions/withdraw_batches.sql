-- Every batch of an upload leaves the graph: batches with something merged become retracting, the others cancelled (or
-- retracted, where they were applied without a mention). The deltas were withdrawn before. Locks: the caller has locked
-- the batches and holds every shard's lock. Rows: one for each batch.
UPDATE batches AS b
SET
  state = CASE
    WHEN EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id AND d.merged_at IS NULL) THEN 'retracting'
    WHEN b.state = 'applied' THEN 'retracted'
    ELSE 'cancelled'
  END,
  claim = NULL, claimed_until = NULL
WHERE b.upload_id = %(upload_id)s::uuid AND b.state IN ('staged', 'counted', 'applied', 'failed', 'checked')
RETURNING b.id, b.state;
