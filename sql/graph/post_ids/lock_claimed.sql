-- Locks a batch that is being counted, if the claim still holds. A statement before the batch's posts are claimed, so
-- an attempt that was superseded claims none. Locks: the batch's row, after the shared lock of post ids. Rows: at most
-- one.
SELECT id FROM batches
WHERE id = %(batch_id)s::bigint AND state = 'staged' AND claim = %(claim)s::uuid
FOR NO KEY UPDATE;
