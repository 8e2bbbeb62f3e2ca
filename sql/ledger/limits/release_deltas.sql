-- Releases the held deltas of an upload, whose rejects are few enough. Locks: the caller has locked the upload's row.
-- Rows: one for each delta, where the statement returns them.
UPDATE deltas SET held = false
WHERE held AND batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = %(upload_id)s::uuid)
RETURNING shard;
