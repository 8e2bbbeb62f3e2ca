-- Drop an upload's deltas that were never merged. Every shard's lock is held, so no merge is at them.
DELETE FROM deltas
WHERE
  merged_at IS NULL AND sign = 1
  AND batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = %(upload_id)s::uuid);
