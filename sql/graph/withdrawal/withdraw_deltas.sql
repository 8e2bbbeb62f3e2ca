-- Takes an upload's merged deltas out of the graph again: they become pending with the opposite sign. Locks: the caller
-- holds every shard's lock, so no merge works on them. Rows: one for each delta.
UPDATE deltas SET sign = -1, merged_at = NULL
WHERE
  merged_at IS NOT NULL AND sign = 1
  AND batch_id IN (SELECT b.id FROM batches AS b WHERE b.upload_id = %(upload_id)s::uuid)
RETURNING shard, batch_id;
