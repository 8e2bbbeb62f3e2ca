-- The deltas of an upload are no longer held: its rejects are few enough. The upload's row is locked.
UPDATE deltas SET held = false
WHERE held AND batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = %(upload_id)s::uuid)
RETURNING shard;
