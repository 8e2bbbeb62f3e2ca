-- Makes a batch the owner of those of these posts that nobody owns. The keys are unique and sorted: two batches with
-- posts in common claim these in one order, so that the second waits for the first, and never each for the other.
-- Locks: the new rows; a row that another transaction is inserting is waited for. Rows: none; the count is the answer.
INSERT INTO post_ids (key, batch_id)
SELECT k.key, %(batch_id)s::bigint
FROM unnest(%(keys)s::uuid[]) AS k (key)
ON CONFLICT (key) DO NOTHING;
