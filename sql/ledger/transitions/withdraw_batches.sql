-- Every batch of an upload leaves the graph: those with something merged become retracting, the others cancelled (or
-- retracted, where they were applied without a mention). The rows and every shard are locked; deltas were withdrawn.
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
