-- Deletes an upload's deltas that were never merged. Locks: the caller holds every shard's lock, so no merge works on
-- them. Rows: none.
DELETE FROM deltas
WHERE
  merged_at IS NULL AND sign = 1
  AND batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = %(upload_id)s::uuid);
